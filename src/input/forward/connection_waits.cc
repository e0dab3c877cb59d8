// SPDX-License-Identifier: Apache-2.0
// How a connection waits: for its log, for memory, for its turn.

#include "base/log.h"
#include "input/forward/connection.h"

namespace millrace::input {

using metrics::Metric;

void Connection::pause(Pause pause) {
  if (pauses_ == 0) context_.cells.add(Metric::kPausedConnections);
  pauses_ |= pause;
  stream_->stop_reading();
}

void Connection::unpause(Pause pause) {
  if (pauses_ == 0) return;
  pauses_ = static_cast<uint8_t>(pauses_ & ~pause);
  progress_ms_ = context_.loop.now_ms();
  frame_rate_.restart(progress_ms_);
  if (pauses_ == 0) context_.cells.subtract(Metric::kPausedConnections);
}

// The message stays in buffer_. It may wait for its log for hours: then it is unpacked again.
void Connection::keep(Verdict verdict, const Decoded& decoded) {
  // The others need not wait until that log has room; but it had some when this was let in, so the
  // next one may find as little of it, and the next.
  if (verdict == Verdict::kNotNow && !context_.memory.overrun()) context_.memory.finished(id_);
  in_unpacked_parts_ = verdict == Verdict::kInParts && decoded.compression != Compression::kNone;
  if (in_unpacked_parts_) {
    context_.kept_payload.keep(id_, context_.inflater);
  } else {
    context_.drop_payload(id_);
  }
  pause(kForRoom);
  in_midst_ = false;
  context_.waiting.push_back(id_);
}

// One that cannot keep what was unpacked waits until another's is done with.
void Connection::wait_for_turn(const Decoded& decoded) {
  if (decoded.compression != Compression::kNone) {
    context_.kept_payload.keep(id_, context_.inflater);
    if (!context_.kept_payload.of(id_)) return keep(Verdict::kInParts, decoded);
  }
  pause(kForWork);
  request_attention();
}

bool Connection::offer_again() {
  if (!takes_messages()) return true;
  if (!worth_an_offer()) {
    context_.waiting.push_back(id_);
    return true;  // it cost nothing
  }
  unpause(kForRoom);
  work_on_buffer();
  after_work();
  return in_midst_ || (pauses_ & kForRoom) == 0 || context_.kept_payload.of(id_);
}

bool Connection::worth_an_offer() {
  if (in_midst_) return !context_.memory.crowded() || its_log_has_room();
  if (in_unpacked_parts_ && context_.kept_payload.is_of_another(id_)) return false;
  return context_.receiver.may_take(note_);
}

void Connection::memory_granted() {
  unpause(kForMemory);
  if (takes_messages() && pauses_ == 0) work_on_buffer();
  after_work();
}

void Connection::account() {
  const size_t held = buffer_.capacity();
  if (held == accounted_bytes_) return;
  context_.memory.changed(accounted_bytes_, held);
  if (held > accounted_bytes_) {
    context_.cells.add(Metric::kReceiveBytes, held - accounted_bytes_);
  } else {
    context_.cells.subtract(Metric::kReceiveBytes, accounted_bytes_ - held);
  }
  accounted_bytes_ = held;
}

// In the midst of a message. One that would wait for its log anyway leaves the memory to others
// before it is short.
void Connection::ask_for_memory() {
  if (context_.memory.crowded() && !its_log_has_room()) {
    context_.memory.finished(id_);
    in_midst_ = true;
    pause(kForRoom);
    context_.waiting.push_back(id_);
  } else if (!context_.memory.admit(id_, context_.loop.now_ms())) {
    wait_for_memory();
  }
}

// A tag that is not known yet has to come first.
bool Connection::its_log_has_room() {
  const auto tag = reader_.tag(buffer_.view(), context_.tools(id_));
  return !tag || context_.receiver.has_room(*tag, reader_.bytes_needed());
}

void Connection::wait_for_memory() {
  if (context_.memory.waiting() == 1) {
    log::warn("input", "receive_memory_limit is reached; clients wait for their turn",
              {{"source", context_.source.id},
               {"receive_memory_limit", context_.source.receive_memory_limit}});
  }
  pause(kForMemory);
}

}  // namespace millrace::input
