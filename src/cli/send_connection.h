// SPDX-License-Identifier: Apache-2.0
#pragma once

// A blocking TCP connection of a forward client: whole messages out, acks back, each with a
// deadline. One thread. Invariant: after an Error the connection is of no more use.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace millrace::cli {

class SendConnection {
 public:
  /// Tries every address of `host` in turn. kUnreachable with "HOST:PORT" and the last reason.
  static Result<SendConnection> open(const std::string& host, uint16_t port, uint64_t timeout_ms);

  /// Writes all of `bytes`; kUnreachable when the peer closes or takes nothing for the timeout.
  Result<> write(std::string_view bytes);

  /// Reads {"ack": id} and compares. kUnreachable: closed, no ack in time, or another answer.
  Result<> read_ack(std::string_view id);

  /// Ends the stream and waits until the peer has read it all. kUnreachable if the peer, who was
  /// asked for no ack, has something to say: a HELO, as a rule.
  Result<> finish();

 private:
  SendConnection(UniqueFd fd, std::string name, uint64_t timeout_ms)
      : fd_(std::move(fd)), name_(std::move(name)), timeout_ms_(timeout_ms) {}

  Result<> wait_for(short events, const char* what);
  tl::unexpected<Error> not_an_ack(std::string_view received) const;

  UniqueFd fd_;
  std::string name_;  // HOST:PORT, for messages
  uint64_t timeout_ms_;
};

}  // namespace millrace::cli
