// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeptPayload: what was unpacked of the one message that is being stored in parts, so that it is
// not unpacked anew for each of them. One for all connections of a listener: whoever else has such
// a message waits for its turn. Invariant: it holds the bytes of one message at most.
// Loop thread.

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "input/forward/inflate.h"

namespace millrace::input {

class KeptPayload {
 public:
  /// Of the message that `connection` offers again.
  std::optional<std::string_view> of(uint64_t connection) const {
    return connection == holder_ ? std::optional(unpacked_.view()) : std::nullopt;
  }
  bool is_of_another(uint64_t connection) const { return holder_ != 0 && holder_ != connection; }

  /// Takes the inflater's output, unless another connection's is here.
  void keep(uint64_t connection, Inflater& inflater) {
    if (holder_ != 0) return;
    holder_ = connection;
    unpacked_ = inflater.take();
  }
  /// True: it was the connection's, and others may have their turn.
  bool drop(uint64_t connection) {
    if (holder_ != connection) return false;
    holder_ = 0;
    unpacked_ = {};
    return true;
  }

 private:
  uint64_t holder_ = 0;  // ids begin with 1
  Inflater::Unpacked unpacked_;
};

}  // namespace millrace::input
