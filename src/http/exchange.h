// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes into and comes out of one HTTP exchange, as plain structs. No behaviour but looking a
// header up. Values; any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::http {

/// A longer reply is not read on: the exchange fails as ambiguous.
constexpr size_t kReplyBytesMax = 1 << 20;
constexpr size_t kReplyHeaderBytesMax = 64 << 10;

enum class Method { kGet, kPost };

struct Request {
  Method method = Method::kPost;
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string_view body;             // POST; read in place, so it must outlive perform()
};

struct Reply {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::optional<int64_t> date_s;                             // `Date`, seconds since 1970
  bool resent = false;  // a kept connection proved dead, so the request went out a second time

  /// The value of the header of this lower-case name; empty if there is none.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

struct TransportError {
  /// kNotSent: name look-up, connect, TLS or a proxy's tunnel failed, the server saw no request.
  /// kAmbiguous: the request may have arrived and have been carried out.
  enum class Kind { kNotSent, kAmbiguous };
  Kind kind = Kind::kNotSent;
  std::string message;     // for an operator; never a password
  int proxy_status = 0;    // a proxy refused the tunnel with this status
  bool untrusted = false;  // the server's certificate did not verify
  bool resent = false;     // as in Reply; the second time failed too
};

}  // namespace millrace::http
