// SPDX-License-Identifier: Apache-2.0
#include "input/forward/close_reason.h"

#include <array>

namespace millrace::input {

const CloseReasonInfo& info_of(CloseReason reason) {
  using metrics::Metric;
  static constexpr std::array<CloseReasonInfo, 12> kReasons = {{
      {Metric::kClosedForeign, "closed: the client speaks another protocol"},
      {Metric::kClosedMalformed, "closed: the bytes are not a forward message"},
      {Metric::kClosedMalformed, "closed: the value is not a forward message"},
      {Metric::kClosedFrameLimit, "closed: a message is over frame_limit"},
      {Metric::kClosedInflate, "closed: a compressed payload does not unpack"},
      {Metric::kClosedInflate, "closed: a payload unpacks to more than decompression_size_limit"},
      {Metric::kClosedCompression, "closed: unknown value of the option compressed"},
      {Metric::kClosedFrameTimeout,
       "closed: a message was begun and not finished in frame_timeout"},
      {Metric::kClosedOverflow, "closed: the buffer is full"},
      {Metric::kClosedStorage, "closed: a message could not be stored"},
      {Metric::kClosedAckDeadline, "closed: a message could not be stored in time for its ack"},
      {Metric::kClosedAckDeadline, "closed: the client does not read its acks"},
  }};
  return kReasons[static_cast<size_t>(reason)];
}

}  // namespace millrace::input
