// SPDX-License-Identifier: Apache-2.0
#include "input/forward/message_reader.h"

#include <limits>

#include "base/check.h"
#include "input/forward/foreign.h"

namespace millrace::input {
namespace {

Step closing(CloseReason reason) {
  Step step;
  step.kind = Step::Kind::kClose;
  step.reason = reason;
  return step;
}

void give_up(Step& step, CloseReason reason) {
  step.kind = Step::Kind::kUndecodable;
  step.reason = reason;
}

Step passing(uint64_t size) {
  Step step;
  step.kind = Step::Kind::kNothing;
  step.size = size;
  return step;
}

}  // namespace

Step MessageReader::next(std::string_view bytes, ReaderTools tools) {
  Step step;
  if (codec_ == Codec::kUnknown && !choose_codec(bytes, step)) return step;
  return codec_ == Codec::kJson ? next_value(bytes, tools) : next_frame(bytes, tools);
}

void MessageReader::next_message() {
  frames_.reset();
  values_.reset();
}

std::optional<std::string_view> MessageReader::tag(std::string_view bytes,
                                                   ReaderTools tools) const {
  if (!is_json()) return tag_of(bytes, frames_.layout());
  const std::optional<std::string_view> literal = json_first_string(bytes);
  if (!literal || !tools.json.rewrite(*literal)) return std::nullopt;
  return tag_of(tools.json.output());
}

bool MessageReader::choose_codec(std::string_view bytes, Step& step) {
  const Foreign foreign = recognise_foreign(bytes);
  if (foreign.match == Foreign::Match::kYes) {
    step = closing(CloseReason::kForeign);
    step.protocol = foreign.protocol;
  }
  if (foreign.match != Foreign::Match::kNo) return false;
  const bool json = json_allowed_ && (bytes[0] == '{' || bytes[0] == '[');
  codec_ = json ? Codec::kJson : Codec::kMessagePack;
  return true;
}

Step MessageReader::next_frame(std::string_view bytes, ReaderTools tools) {
  switch (frames_.scan(bytes)) {
    case FrameSplitter::Status::kNeedMore:
      return {};
    case FrameSplitter::Status::kMalformed:
      return closing(CloseReason::kMalformed);
    case FrameSplitter::Status::kTooLarge:
      return closing(CloseReason::kFrameLimit);
    case FrameSplitter::Status::kFrame:
      break;
  }
  Step step;
  step.size = frames_.layout().size;
  judge(step, bytes.substr(0, step.size), frames_.layout(), tools);
  return step;
}

Step MessageReader::next_value(std::string_view bytes, ReaderTools tools) {
  switch (values_.scan(bytes)) {
    case JsonSplitter::Status::kNeedMore:
      return {};
    case JsonSplitter::Status::kBlank:
    case JsonSplitter::Status::kNull:
      return passing(values_.size());
    case JsonSplitter::Status::kNotMessage:
      return closing(CloseReason::kNotMessage);
    case JsonSplitter::Status::kMalformed:
      return closing(CloseReason::kMalformed);
    case JsonSplitter::Status::kTooLarge:
      return closing(CloseReason::kFrameLimit);
    case JsonSplitter::Status::kValue:
      break;
  }
  Step step;
  step.size = values_.size();
  if (!tools.json.rewrite(bytes.substr(0, step.size))) return closing(CloseReason::kMalformed);
  const std::string_view frame = tools.json.output();
  // A frame's places are 32 bits; JSON of a quarter of that may grow beyond.
  if (frame.size() >= std::numeric_limits<uint32_t>::max()) {
    return closing(CloseReason::kFrameLimit);
  }
  FrameSplitter splitter(std::numeric_limits<uint32_t>::max());
  CHECK(splitter.scan(frame) == FrameSplitter::Status::kFrame);
  judge(step, frame, splitter.layout(), tools);
  // Not of a payload that the client packed itself: its exts are the client's.
  Message& message = step.decoded.message;
  message.decimals = message.mode == Mode::kMessage || message.mode == Mode::kForward;
  message.mode = Mode::kJson;
  step.replaced_texts = tools.json.replaced_texts();
  return step;
}

void MessageReader::judge(Step& step, std::string_view frame, const FrameLayout& layout,
                          ReaderTools tools) {
  step.decoded = decode_frame(frame, layout);
  switch (step.decoded.kind) {
    case Decoded::Kind::kNothing:
      step.kind = Step::Kind::kNothing;
      return;
    case Decoded::Kind::kNotLogs:
      step.kind = Step::Kind::kDropped;
      step.dropped = metrics::Metric::kDiscardedSignal;
      return;
    case Decoded::Kind::kNoEvents:
      step.kind = Step::Kind::kDropped;
      return;
    case Decoded::Kind::kMessage:
      step.kind = Step::Kind::kMessage;
      return unpack(step, tools);
    case Decoded::Kind::kNotMessage:
      step = closing(CloseReason::kNotMessage);
      return;
    case Decoded::Kind::kUnknownCompression:
      return give_up(step, CloseReason::kUnknownCompression);
    case Decoded::Kind::kMalformed:
      step = closing(CloseReason::kMalformed);
      return;
  }
}

void MessageReader::unpack(Step& step, ReaderTools tools) {
  Message& message = step.decoded.message;
  if (step.decoded.compression == Compression::kNone) return;
  if (tools.unpacked) {
    message.entries = *tools.unpacked;
    return;
  }
  switch (tools.inflater.unpack(step.decoded.compression, message.entries)) {
    case Inflater::Status::kOk:
      message.entries = tools.inflater.output();
      return;
    case Inflater::Status::kCorrupt:
      return give_up(step, CloseReason::kInflateCorrupt);
    case Inflater::Status::kTooLarge:
      return give_up(step, CloseReason::kInflateLimit);
    case Inflater::Status::kTooDense:
      return give_up(step, CloseReason::kInflateRatio);
    case Inflater::Status::kTooManyMembers:
      return give_up(step, CloseReason::kInflateMembers);
    case Inflater::Status::kWindowTooLarge:
      return give_up(step, CloseReason::kInflateWindow);
  }
}

}  // namespace millrace::input
