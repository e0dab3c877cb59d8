// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recognises other protocols by the first bytes of a connection, so that one log line can say what
// happened. All of them begin with a byte that no forward message begins with. Pure; any thread.

#include <string_view>

namespace millrace::input {

struct Foreign {
  enum class Match { kNo, kNeedMore, kYes };
  Match match = Match::kNo;
  const char* protocol = "";  // "HTTP", "TLS", "SSH"; of kYes
};

/// `bytes` is what has arrived so far, from the first byte on. kNeedMore only for fewer than 8.
Foreign recognise_foreign(std::string_view bytes);

}  // namespace millrace::input
