// SPDX-License-Identifier: Apache-2.0
#pragma once

// Loop: one libuv loop, one thread. Everything else in this folder belongs to a Loop and is made,
// used and ended on its thread (or on any one thread before run() and after it returned).
// post() and stop() are the only doors in from other threads.
// Invariant: all timers, streams and listeners of a Loop end before it.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "event/handle.h"

namespace millrace::event {

class EndOfTurn;

/// In which order the hooks at the end of a turn run: what takes messages in comes before what
/// submits the batch they are in.
enum class TurnStage : uint8_t { kInput, kSubmit };

class Loop {
 public:
  using Task = std::function<void()>;

  Loop();
  /// Runs the loop until the last handle is freed. Tasks that never ran are destroyed.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Serves events on the calling thread until stop(). May be called again afterwards.
  void run();
  /// Ends run() after the tasks posted before. Any thread.
  void stop();
  /// Runs `task` on the loop's thread, in the order of posting. Any thread.
  void post(Task task);

  /// True on the thread inside run(), and everywhere while nobody is inside run().
  bool is_on_thread() const;
  /// Milliseconds of a clock that never goes back, read once a turn.
  uint64_t now_ms() const;

  uv_loop_s* raw() { return loop_.get(); }  // for this folder

 private:
  friend class EndOfTurn;
  struct LoopCloser {
    void operator()(uv_loop_s* loop) const noexcept;
  };

  void run_posted();
  void run_hooks();
  void run_hooks_before_poll();
  void add_hook(EndOfTurn* hook, TurnStage stage);
  void remove_hook(EndOfTurn* hook);
  void wake();

  std::unique_ptr<uv_loop_s, LoopCloser> loop_;
  HandlePtr<uv_async_s> wake_;
  HandlePtr<uv_prepare_s> before_poll_;
  HandlePtr<uv_check_s> after_poll_;
  std::array<std::vector<EndOfTurn*>, 2> hooks_;
  bool before_poll_now_ = false;  // the hooks run, and the loop sleeps next

  std::vector<Task> running_;  // those of this turn
  std::mutex mutex_;           // guards the two below
  std::vector<Task> posted_;
  bool stopping_ = false;

  std::atomic<std::thread::id> thread_{};
};

/// A callback at the end of each turn of the loop: after the sockets of one poll were served, and
/// once more before the loop sleeps, since timers run in between. It must be cheap when there is
/// nothing to do, and must not end other hooks. The Loop must outlive it.
class EndOfTurn {
 public:
  EndOfTurn(Loop& loop, TurnStage stage, std::function<void()> callback);
  ~EndOfTurn();
  EndOfTurn(const EndOfTurn&) = delete;
  EndOfTurn& operator=(const EndOfTurn&) = delete;

  /// To be called with every piece of work left for the hook: makes sure that the hook runs before
  /// the loop sleeps, also when the work came from a later hook of this same turn.
  void request();

 private:
  friend class Loop;
  Loop& loop_;
  std::function<void()> callback_;
};

}  // namespace millrace::event
