// SPDX-License-Identifier: Apache-2.0
#include "input/forward/close_reason.h"

#include <array>

namespace millrace::input {

const CloseReasonInfo& info_of(CloseReason reason) {
  using metrics::Metric;
  static constexpr std::array<CloseReasonInfo, 23> kReasons = {{
      {Metric::kClosedForeign, "closed: the client speaks another protocol"},
      {Metric::kClosedMalformed, "closed: the bytes are not a forward message"},
      {Metric::kClosedMalformed, "closed: the value is not a forward message"},
      {Metric::kClosedFrameLimit, "closed: a message is over frame_limit"},
      {Metric::kClosedInflate, "closed: a compressed payload does not unpack"},
      {Metric::kClosedInflate, "closed: a payload unpacks to more than decompression_size_limit"},
      {Metric::kClosedInflateRatio,
       "closed: a payload unpacks to more than decompression_ratio_limit times its size"},
      {Metric::kClosedInflate,
       "closed: a payload of more than 1000000 gzip members or zstd frames"},
      {Metric::kClosedInflate, "closed: a zstd payload needs a window of more than 8 MiB"},
      {Metric::kClosedCompression, "closed: unknown value of the option compressed"},
      {Metric::kClosedFrameTimeout,
       "closed: a message was begun and not finished in frame_timeout"},
      {Metric::kClosedOverflow, "closed: the buffer is full"},
      {Metric::kClosedStorage, "closed: a message could not be stored"},
      {Metric::kClosedAckDeadline, "closed: a message could not be stored in time for its ack"},
      {Metric::kClosedAckDeadline, "closed: the client does not read its acks"},
      {Metric::kClosedInvalidPing,
       "closed: the client does not answer the handshake; has it a shared_key?"},
      {Metric::kClosedAnonymous, "closed: no client of [source.security] has this address"},
      {Metric::kClosedSharedKey, "closed: the client has another shared_key"},
      {Metric::kClosedUser, "closed: wrong user name or password, or a user not allowed there"},
      {Metric::kClosedHandshakeTimeout, "closed: the client did not answer the handshake in time"},
      {Metric::kClosedGuesses,
       "closed: too many wrong keys or passwords from this address; one a second is judged"},
      {Metric::kClosedFrameRate, "closed: a message comes slower than frame_rate_min"},
      {Metric::kClosedMadeRoom,
       "closed: made room for another client, because it had sent no message and connection_limit "
       "is reached"},
  }};
  return kReasons[static_cast<size_t>(reason)];
}

}  // namespace millrace::input
