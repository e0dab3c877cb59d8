// SPDX-License-Identifier: Apache-2.0
#pragma once

// Handshake: one connection until its client has proved who it is. Says HELO, waits for one PING of
// bounded size, has it judged and answers PONG. Does no I/O and keeps no bytes; time limits are the
// connection's. Belongs to one connection; the authenticator must outlive it.
// Invariant: it reaches an end at the first whole value, or at bytes that cannot become a PING.

#include <cstdint>
#include <string>
#include <string_view>

#include "input/forward/authenticator.h"
#include "input/forward/close_reason.h"
#include "input/forward/frame_splitter.h"
#include "input/forward/handshake_message.h"

namespace millrace::input {

class Handshake {
 public:
  /// A PING of the longest names and digests is far smaller.
  static constexpr uint64_t kPingBytesMax = 4096;

  Handshake(const Authenticator& authenticator, const Challenge& challenge)
      : authenticator_(authenticator), challenge_(challenge), frames_(kPingBytesMax) {}

  /// What the server says first.
  std::string helo() const { return input::helo(challenge_); }

  /// True if take() would now judge what has come: a whole PING, or bytes that become none. `bytes`
  /// is not empty.
  bool will_judge(std::string_view bytes);

  struct Step {
    enum class Kind : uint8_t {
      kNeedMore,
      kEstablished,  // `pong` is due, then messages may come
      kRefused,      // `pong` is due unless it is empty, then the end: `reason`
    };
    Kind kind = Kind::kNeedMore;
    uint64_t size = 0;  // bytes that the PING was; not of kNeedMore
    std::string pong;
    std::string hostname;  // as the client calls itself, if it got so far
    CloseReason reason = CloseReason::kInvalidPing;
    const char* protocol = "";  // of CloseReason::kForeign
  };
  /// `bytes`, not empty, holds all that has arrived; `peer` is the peer's numeric address.
  Step take(std::string_view bytes, std::string_view peer);

 private:
  Step judge(std::string_view frame, std::string_view peer) const;

  const Authenticator& authenticator_;
  Challenge challenge_;
  FrameSplitter frames_;
};

}  // namespace millrace::input
