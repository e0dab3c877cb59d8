// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transfer: what libcurl's callbacks tell about the exchange under way: how often the request was
// begun, what has come back, whether it is too much. One per perform(), on the thread of its
// Client. Invariant: nothing of the request was sent while starts() == 0.

#include <cstddef>
#include <string_view>

#include "http/exchange.h"

namespace millrace::http {

class Transfer {
 public:
  /// Makes the callbacks of `easy` (a CURL*) enter this object, which must outlive the exchange.
  void attach(void* easy);

  int starts() const { return starts_; }
  bool reply_began() const { return reply_began_; }
  bool too_large() const { return too_large_; }
  /// The reply as received; status and date are filled in from libcurl's own reading.
  Reply take_reply(void* easy);

 private:
  static size_t on_header(char* data, size_t size, size_t count, void* self) noexcept;
  static size_t on_body(char* data, size_t size, size_t count, void* self) noexcept;
  static int on_start(void* self, char* peer, char* local, int peer_port, int local_port) noexcept;

  bool add_header(std::string_view line);
  bool add_body(std::string_view bytes);

  Reply reply_;
  size_t header_bytes_ = 0;
  int starts_ = 0;
  bool reply_began_ = false;
  bool too_large_ = false;
};

}  // namespace millrace::http
