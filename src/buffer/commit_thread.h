// SPDX-License-Identifier: Apache-2.0
#pragma once

// CommitThread: makes the batches of a worker's logs durable, in the order they come, one commit at
// a time. A batch that waits for a spare, or for a disk that refuses it, lets the others pass. Does
// not build batches. Invariant: at most one batch of a log is here (the log submits the next one
// only after the completion). submit() and take_completions(): loop thread; retry_waiting(): any
// thread. The targets must outlive it.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "buffer/batch.h"
#include "buffer/log_writer.h"

namespace millrace::buffer {

/// What a batch is for. commit() runs on the commit thread.
class CommitTarget {
 public:
  virtual ~CommitTarget() = default;
  virtual LogWriter::Outcome commit(Batch& batch) = 0;
};

class CommitThread {
 public:
  struct Completion {
    CommitTarget* target = nullptr;
    std::unique_ptr<Batch> batch;  // durable
  };

  /// `notify` wakes the loop: completions wait to be taken. Called on the commit thread.
  CommitThread(std::string name, std::function<void()> notify);
  ~CommitThread();  // stops

  void submit(CommitTarget& target, std::unique_ptr<Batch> batch);
  /// Fills `done`, which is emptied before.
  void take_completions(std::vector<Completion>& done);
  /// What waits is tried again.
  void retry_waiting();
  /// Ends the thread after the batch in hand; what waits is never written, what is done is dropped.
  void stop();

 private:
  struct Job {
    CommitTarget* target;
    std::unique_ptr<Batch> batch;
  };

  void run();

  const std::string name_;
  const std::function<void()> notify_;
  std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::deque<Job> waiting_;
  std::vector<Completion> completions_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::buffer
