// SPDX-License-Identifier: Apache-2.0
#pragma once

// FrameRate: whether the frame that a client has begun grows fast enough, so that nobody holds one
// for ever with a byte now and then. Looks at one window after another, because a mean since the
// begin would forgive a client that sent much at first. What may be asked of a client is only time
// in which it was read: restart() after each pause. Belongs to one connection.

#include <cstdint>

namespace millrace::input {

class FrameRate {
 public:
  /// `bytes_per_second_min` 0: any rate will do.
  FrameRate(uint64_t bytes_per_second_min, uint64_t window_ms)
      : bytes_min_(bytes_per_second_min * window_ms / 1000), window_ms_(window_ms) {}

  /// A frame begins, or its client may go on with it.
  void restart(uint64_t now_ms) {
    since_ms_ = now_ms;
    begin_window(now_ms);
  }
  /// When the client was last asked for bytes of its frame, and could send them ever since.
  uint64_t since_ms() const { return since_ms_; }
  void received(uint64_t bytes) { window_bytes_ += bytes; }

  /// To be asked while a frame is unfinished, a few times in a window. Begins the next window when
  /// one is over that was good.
  bool too_slow(uint64_t now_ms) {
    if (now_ms < window_begin_ms_ + window_ms_) return false;
    if (window_bytes_ < bytes_min_) return true;
    begin_window(now_ms);
    return false;
  }

 private:
  void begin_window(uint64_t now_ms) {
    window_begin_ms_ = now_ms;
    window_bytes_ = 0;
  }

  uint64_t bytes_min_;  // in a window
  uint64_t window_ms_;
  uint64_t since_ms_ = 0;
  uint64_t window_begin_ms_ = 0;
  uint64_t window_bytes_ = 0;
};

}  // namespace millrace::input
