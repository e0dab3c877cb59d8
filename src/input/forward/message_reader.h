// SPDX-License-Identifier: Apache-2.0
#pragma once

// MessageReader: the bytes of one connection -> messages, one at a time. Tells by the first bytes
// whether they are MessagePack, JSON or another protocol, finds where a message ends, decodes it
// and unpacks its entries. Does no I/O and keeps no bytes: the connection gives it what has arrived
// and is told how much of that the message was. Belongs to one connection; the tools are shared by
// all connections of a loop, so a step's views end with the next step of any of them.

#include <cstdint>
#include <optional>
#include <string_view>

#include "input/forward/close_reason.h"
#include "input/forward/frame_splitter.h"
#include "input/forward/inflate.h"
#include "input/forward/json_mode.h"
#include "input/forward/json_rewriter.h"
#include "input/forward/message_decoder.h"

namespace millrace::input {

struct ReaderTools {
  Inflater& inflater;
  JsonRewriter& json;
  std::optional<std::string_view> unpacked = {};  // the next message's entries, from before
};

/// What the next bytes are.
struct Step {
  enum class Kind : uint8_t {
    kNeedMore,     // a message has begun, or nothing yet
    kNothing,      // bytes without meaning: nil, a heartbeat, white space
    kMessage,      // decoded.message, unpacked, but for its peer
    kDropped,      // nothing to store; `dropped` says why; answered if decoded.ack_value says so
    kUndecodable,  // a whole message whose entries nobody can read: `reason`
    kClose,        // nothing more can be read: `reason`
  };
  Kind kind = Kind::kNeedMore;
  uint64_t size = 0;  // bytes that this step is; not of kNeedMore and kClose
  Decoded decoded;    // kMessage, kDropped, kUndecodable
  metrics::Metric dropped = metrics::Metric::kDiscardedMessage;
  CloseReason reason = CloseReason::kMalformed;
  const char* protocol = "";    // of CloseReason::kForeign
  uint64_t replaced_texts = 0;  // strings of JSON mode that were not all text
};

class MessageReader {
 public:
  MessageReader(uint64_t frame_limit, bool json_allowed)
      : json_allowed_(json_allowed), frames_(frame_limit), values_(frame_limit) {}

  /// `bytes`, not empty, begins where the last step ended and holds all that has arrived since. The
  /// same bytes give the same step again until next_message() is called.
  Step next(std::string_view bytes, ReaderTools tools);
  /// The step is done with; the next one begins behind it.
  void next_message();

  /// After kNeedMore: the message is not shorter than this.
  uint64_t bytes_needed() const {
    return codec_ == Codec::kMessagePack ? frames_.bytes_needed() : values_.size() + 1;
  }
  /// After kNeedMore: the tag of the message of which `bytes` have arrived; none: it is not known
  /// yet, or there is none. It ends as a step's views do.
  std::optional<std::string_view> tag(std::string_view bytes, ReaderTools tools) const;
  bool is_json() const { return codec_ == Codec::kJson; }

 private:
  enum class Codec : uint8_t { kUnknown, kMessagePack, kJson };

  // False: `step` says what to do instead.
  bool choose_codec(std::string_view bytes, Step& step);
  Step next_frame(std::string_view bytes, ReaderTools tools);
  Step next_value(std::string_view bytes, ReaderTools tools);
  void judge(Step& step, std::string_view frame, const FrameLayout& layout, ReaderTools tools);
  void unpack(Step& step, ReaderTools tools);

  bool json_allowed_;
  Codec codec_ = Codec::kUnknown;
  FrameSplitter frames_;
  JsonSplitter values_;
};

}  // namespace millrace::input
