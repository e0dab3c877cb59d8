// SPDX-License-Identifier: Apache-2.0
#pragma once

// Housekeeping: the one thread that makes spares, cuts and removes segments, syncs position files
// and writes dead letters, for all logs in turn, five times a second and when it is woken.
// Invariant: it touches a log only between start() and stop(), and never after remove().
// wake(): any thread. Logs that were not removed, and the commit threads, must outlive it.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "buffer/commit_thread.h"
#include "buffer/log.h"

namespace millrace::buffer {

class Housekeeping {
 public:
  ~Housekeeping();  // stops

  /// Before start().
  void add(Log& log, CommitThread& commits);
  void start();
  /// `log` is left alone from now on; waits for the round under way.
  void remove(const Log& log);
  void wake();
  /// Ends the thread and does one last round, so that all lines are durable. Dead letters that wait
  /// hold it up by a few at most.
  void stop();

 private:
  struct Ward {
    Log* log;
    CommitThread* commits;
  };

  void run();
  void round();

  std::mutex round_mutex_;  // guards wards_, held for a whole round
  std::vector<Ward> wards_;
  std::mutex mutex_;  // guards woken_, and a change of stopping_
  std::condition_variable wake_;
  bool woken_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace millrace::buffer
