// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why millrace closes a connection of its own accord: one row a reason, with its counter and its
// line in the log. What a client ends by itself is no reason and no line.

#include <cstdint>

#include "metrics/metrics.h"

namespace millrace::input {

enum class CloseReason : uint8_t {
  kForeign,             // HTTP, TLS, SSH
  kMalformed,           // not MessagePack, not JSON, or broken entries
  kNotMessage,          // a value that is no message
  kFrameLimit,          // longer than frame_limit
  kInflateCorrupt,      // the payload does not unpack
  kInflateLimit,        // it unpacks to more than decompression_size_limit
  kInflateRatio,        // it unpacks to more than decompression_ratio_limit times its size
  kInflateMembers,      // it is of more parts than any agent makes
  kInflateWindow,       // zstd needs more memory for it than every decoder has to have
  kUnknownCompression,  // option `compressed` names something else
  kFrameTimeout,        // a frame was begun and not finished
  kOverflow,            // the buffer is full and does not wait
  kStorage,             // a message could not be made durable
  kAckDeadline,         // too late for an ack
  kNotReading,          // acks pile up because the client does not read them
  kInvalidPing,         // an answer to HELO that is no PING: a client without a shared key
  kAnonymousSource,     // no client rule names its address, and one has to
  kSharedKeyMismatch,
  kUserMismatch,      // user name or password
  kHandshakeTimeout,  // no whole PING in time
  kTooManyGuesses,    // its address has tried too many keys or passwords
  kFrameRate,         // a frame comes slower than frame_rate_min
  kMadeRoom,          // connection_limit is reached and it had sent no message
};

struct CloseReasonInfo {
  metrics::Metric metric;
  const char* message;
};

const CloseReasonInfo& info_of(CloseReason reason);

}  // namespace millrace::input
