// SPDX-License-Identifier: Apache-2.0
#include "input/forward/connection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "input/forward/ack.h"

namespace millrace::input {
namespace {

using metrics::Metric;

// Acks that the client does not read: no more messages are taken above this.
constexpr size_t kUnreadAckBytesMax = size_t{256} << 10;
// Bytes of messages, unpacked, that one connection has in a turn of the loop, and one message more.
constexpr size_t kWorkBytesMax = size_t{4} << 20;

uint64_t steady_ns() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

Metric metric_of(Mode mode) {
  switch (mode) {
    case Mode::kMessage:
      return Metric::kReceivedMessage;
    case Mode::kForward:
      return Metric::kReceivedForward;
    case Mode::kPacked:
      return Metric::kReceivedPacked;
    case Mode::kCompressed:
      return Metric::kReceivedCompressed;
    case Mode::kJson:
      break;
  }
  return Metric::kReceivedJson;
}

}  // namespace

Connection::Connection(uint64_t id, std::unique_ptr<event::TcpStream> stream,
                       ConnectionContext& context)
    : id_(id),
      stream_(std::move(stream)),
      context_(context),
      reader_(context.source.frame_limit, context.source.json && !context.source.security),
      buffer_(context.pool),
      frame_rate_(context.source.frame_rate_min, context.source.frame_timeout_ms),
      opened_ms_(context.loop.now_ms()),
      progress_ms_(opened_ms_) {
  context_.cells.add(Metric::kConnections);
  context_.cells.add(Metric::kConnectionsTotal);
  context_.memory.add_connection();
  context_.newcomers.add(id_);
  stream_->set_owner(this);
  stream_->start_reading();
  if (context_.gate.authenticator != nullptr) begin_handshake();
}

Connection::~Connection() {
  buffer_.clear();
  account();
  context_.memory.remove_connection(id_);
  context_.drop_payload(id_);
  context_.newcomers.remove(id_);
  context_.sources.disconnect(stream_->peer_address());
  if (pauses_ != 0) context_.cells.subtract(Metric::kPausedConnections);
  context_.cells.subtract(Metric::kConnections);
}

event::ReadBuffer Connection::read_buffer() {
  direct_ = takes_messages() && buffer_.size() > ConnectionContext::kHeadroomBytes;
  if (!direct_) {
    // What comes may be the begin of a frame that then has to wait.
    asked_ = std::min<size_t>(ConnectionContext::kReadBytes,
                              context_.memory.free_for(id_, buffer_.size()));
    if (handshake_ != nullptr) asked_ = Handshake::kPingBytesMax - buffer_.size();
    return {context_.read_area(), asked_};
  }
  buffer_.make_room(reader_.bytes_needed());
  asked_ = buffer_.tail_size();
  return {buffer_.tail(), asked_};
}

// The way of a message: the bytes come here, take_messages() finds it, offer() hands it over.
void Connection::on_read(size_t bytes) {
  context_.cells.add(Metric::kReceivedBytes, bytes);
  if (bytes == asked_) {
    // There is more: the others come first, or their acks would wait for all of it.
    yields_ = true;
    stream_->stop_reading();
    request_attention();
  }
  last_read_ns_ = steady_ns();
  progress_ms_ = context_.loop.now_ms();
  quiet_ = false;
  if (newcomer_) context_.newcomers.heard(id_);
  if (buffer_.empty()) frame_rate_.restart(progress_ms_);
  frame_rate_.received(bytes);
  if (direct_) {
    buffer_.commit(bytes);
    work_on_buffer();
  } else {
    const size_t kept = buffer_.size();
    char* const begin = context_.read_area() - kept;
    if (kept > 0) std::memcpy(begin, buffer_.view().data(), kept);
    const std::string_view all(begin, kept + bytes);
    const size_t used = take_messages(all);
    if (takes_messages()) {
      buffer_.assign(all.substr(used));
    } else {
      buffer_.clear();
      context_.cells.add(Metric::kDiscardedClosedBytes, all.size() - used);
    }
  }
  after_work();
}

void Connection::work_on_buffer() {
  const size_t used = take_messages(buffer_.view());
  if (takes_messages()) {
    buffer_.consume(used);
  } else {
    context_.cells.add(Metric::kDiscardedClosedBytes, buffer_.size() - used);
    buffer_.clear();
  }
}

// Returns the bytes that are done with. What is left is the begin of a message, or, if reading
// pauses, messages that are still to be taken.
size_t Connection::take_messages(std::string_view bytes) {
  size_t used = handshake_ == nullptr ? 0 : shake_hands(bytes);
  if (handshake_ != nullptr) return used;
  size_t worked = 0;
  while (used < bytes.size() && pauses_ == 0 && takes_messages()) {
    if (pending_.full()) {
      pause(kForAcks);
      break;
    }
    if (worked > kWorkBytesMax) {
      pause(kForWork);
      request_attention();
      break;
    }
    const Step step = reader_.next(bytes.substr(used), context_.tools(id_));
    if (step.kind == Step::Kind::kNeedMore) break;
    if (step.kind == Step::Kind::kClose) {
      close_because(step.reason, step.protocol);
      break;
    }
    if (step.kind != Step::Kind::kNothing) prove();
    const std::string_view frame = bytes.substr(used, step.size);
    if (step.kind == Step::Kind::kMessage && !offer(step, frame)) break;
    if (step.kind == Step::Kind::kUndecodable && !give_up(step, step.reason, frame)) break;
    if (step.kind == Step::Kind::kDropped) {
      leave_out(step);
      accept(step, true);
    }
    used += step.size;
    worked += std::max<size_t>(step.size, step.decoded.message.entries.size());
    reader_.next_message();
    if (last_message_) end_reading();
  }
  // Also of a payload that was refused: nobody may come for a long time.
  context_.inflater.trim();
  context_.json.trim();
  if (used > 0) {
    context_.memory.finished(id_);
    frame_rate_.restart(context_.loop.now_ms());
  }
  return used;
}

// From here on nobody else gets its place.
void Connection::prove() {
  if (std::exchange(newcomer_, false)) context_.newcomers.remove(id_);
}

void Connection::leave_out(const Step& step) {
  context_.cells.add(step.dropped);
  const bool signal = step.dropped == Metric::kDiscardedSignal;
  log::warn("input",
            signal ? "metrics or traces of Fluent Bit were left out; only logs are taken"
                   : "a message without a tag or without events was left out",
            {{"peer", stream_->peer_address()}, {"source", context_.source.id}});
}

// False: the message was not taken, and nothing behind it may be.
bool Connection::offer(const Step& step, std::string_view frame) {
  const Message message = message_of(step);
  const Verdict verdict = context_.receiver.receive(message, {id_, pending_.next_number()});
  if (verdict == Verdict::kMalformed) return give_up(step, CloseReason::kMalformed, frame);
  return act_on(verdict, step);
}

// The message can never be decoded. Without a chunk nobody could be told that it is kept.
bool Connection::give_up(const Step& step, CloseReason reason, std::string_view frame) {
  Message message = message_of(step);
  message.entries = frame;
  Verdict verdict = Verdict::kMalformed;
  if (message.has_chunk && context_.source.undecodable == config::Undecodable::kDead) {
    verdict = context_.receiver.undecodable(message, {id_, pending_.next_number()});
  }
  if (verdict != Verdict::kMalformed) return act_on(verdict, step);
  close_because(reason);
  return false;
}

Message Connection::message_of(const Step& step) {
  Message message = step.decoded.message;
  message.peer = stream_->peer_address();
  message.client = client_;
  message.note = &note_;
  return message;
}

// What the receiver said, but for kMalformed. False as above.
bool Connection::act_on(Verdict verdict, const Step& step) {
  switch (verdict) {
    case Verdict::kTaken:
    case Verdict::kDone:
      accept(step, verdict == Verdict::kDone);
      return true;
    case Verdict::kNotNow:
    case Verdict::kNoMemory:
    case Verdict::kInParts:
      keep(verdict, step.decoded);
      return false;
    case Verdict::kAgain:
      wait_for_turn(step.decoded);
      return false;
    case Verdict::kMalformed:
    case Verdict::kRefused:
      break;
  }
  close_because(CloseReason::kOverflow);
  return false;
}

// From here on the message is answered, in its turn.
void Connection::accept(const Step& step, bool settled) {
  const Decoded& decoded = step.decoded;
  context_.drop_payload(id_);
  context_.cells.add(metric_of(decoded.message.mode));
  if (decoded.odd_option) context_.cells.add(Metric::kOddChunkOption);
  context_.cells.add(Metric::kReplacedValues, step.replaced_texts);
  std::string& acks = pending_.ack_buffer();
  if (!decoded.ack_value.empty()) {
    reader_.is_json() ? append_json_ack(acks, decoded.ack_value)
                      : append_ack(acks, decoded.ack_value);
  }
  const uint64_t number = pending_.next_number();
  pending_.add(step.size, last_read_ns_);
  if (settled) pending_.settle(number);
}

void Connection::after_work() {
  flush_acks();
  if (state_ == State::kEnded && pauses_ == 0 && !buffer_.empty()) count_cut_short();
  account();
  const bool inside_frame = state_ == State::kOpen && pauses_ == 0 && !buffer_.empty();
  if (buffer_.empty()) {
    context_.memory.finished(id_);
  } else if (inside_frame && buffer_.capacity() >= context_.memory.share()) {
    ask_for_memory();
  }
  finish_when_done();
  if (state_ == State::kOpen && pauses_ == 0 && !yields_) stream_->start_reading();
}

void Connection::flush_acks() {
  if (state_ == State::kGone || state_ == State::kFinishing) return;
  const PendingAcks::Due due = pending_.due();
  if (due.messages == 0) return;
  if (!stream_->write(due.acks)) return on_broken(EPIPE);
  const uint64_t now_ns = steady_ns();
  for (size_t i = 0; i < due.messages; ++i) {
    if (!pending_.has_ack(i)) continue;
    context_.cells.add(Metric::kAcks);
    context_.cells.observe(metrics::Histogram::kAckSeconds, now_ns - pending_.arrived_ns(i));
  }
  pending_.pop(due);
  if (stream_->queued_bytes() > kUnreadAckBytesMax) {
    pause(kForWriting);
    context_.drop_payload(id_);  // others need not wait until this client reads
  }
  if ((pauses_ & kForAcks) != 0 && !pending_.full()) {
    unpause(kForAcks);
    request_attention();
  }
}

void Connection::stored(uint64_t message) {
  const bool only_one = pending_.count() == 1;
  pending_.settle(message);
  // Acks of a client that does not wait for them go together, at the end of the turn.
  if (!only_one) return request_attention();
  flush_acks();
  finish_when_done();
}

void Connection::failed(uint64_t message) {
  if (!pending_.holds(message)) return;
  pending_.drop_from(message);
  if (takes_messages()) close_because(CloseReason::kStorage);
  drop_buffer();
  request_attention();
}

void Connection::attend() {
  attention_ = false;
  yields_ = false;
  if (state_ == State::kGone) return;
  if ((pauses_ & kForWork) != 0) unpause(kForWork);
  flush_acks();
  if (takes_messages() && pauses_ == 0 && !buffer_.empty()) work_on_buffer();
  after_work();
}

void Connection::on_written() {
  blocked_since_ms_ = 0;
  if ((pauses_ & kForWriting) == 0) return;
  unpause(kForWriting);
  request_attention();
}

void Connection::request_attention() {
  context_.end_of_turn.request();
  if (std::exchange(attention_, true)) return;
  context_.attention.push_back(id_);
}

}  // namespace millrace::input
