// SPDX-License-Identifier: Apache-2.0
#pragma once

// A complete frame -> what it asks for. Reads the array around the entries and the option map; the
// entries themselves are only a span here (entry_reader walks them, inflate unpacks them). Never
// copies or allocates; the views point into the frame. Source: Forward Protocol Specification v1
// and v1.5 (fluent/fluentd wiki), and where they are silent, what Fluentd's in_forward does.
// A pure function of its arguments; any thread.

#include <cstdint>
#include <optional>
#include <string_view>

#include "input/forward/frame_splitter.h"
#include "input/forward/message.h"

namespace millrace::input {

enum class Compression : uint8_t { kNone, kGzip, kZstd };

/// Longest value of the option `chunk` that is echoed; Fluentd's has 25 bytes.
constexpr uint32_t kChunkBytesMax = 1024;

struct Decoded {
  enum class Kind : uint8_t {
    kNothing,             // nil, or the empty heartbeat of old clients: no answer, no count
    kMessage,             // `message` is to be stored (its entries are still compressed)
    kNotLogs,             // fluent_signal is not 0: metrics, traces ...; dropped, then answered
    kNoEvents,            // no string for a tag, or no record: dropped, then answered
    kNotMessage,          // another top-level value than an array or nil
    kUnknownCompression,  // option `compressed` is none of text, gzip, zstd
    kMalformed,           // not the MessagePack that the layout promised
  };
  Kind kind = Kind::kNothing;
  Message message;  // without peer
  Compression compression = Compression::kNone;
  /// The value of the option `chunk` as it is echoed, in its MessagePack form; empty: no ack.
  std::string_view ack_value;
  bool odd_option = false;  // `chunk`, or the option map itself, was of a type or size not answered
};

/// `layout` is what FrameSplitter says of `frame`.
Decoded decode_frame(std::string_view frame, const FrameLayout& layout);

/// The tag that is the whole of `value`; none: that is no string.
std::optional<std::string_view> tag_of(std::string_view value);
/// The tag of a frame of which `begun` has arrived, as decode_frame() will find it; none: it has
/// not arrived whole, or there is none.
std::optional<std::string_view> tag_of(std::string_view begun, const FrameLayout& layout);

}  // namespace millrace::input
