// SPDX-License-Identifier: Apache-2.0
#include "input/forward/pending_acks.h"

#include "base/check.h"

namespace millrace::input {
namespace {

constexpr size_t kKeptItems = 16;
constexpr size_t kKeptAckBytes = 1024;

}  // namespace

void PendingAcks::add(uint64_t frame_bytes, uint64_t arrived_ns) {
  const auto ack_bytes = static_cast<uint32_t>(acks_.size() - ack_end_);
  items_.push_back({arrived_ns, frame_bytes, ack_bytes, false});
  ack_end_ = acks_.size();
  frame_bytes_ += frame_bytes;
}

bool PendingAcks::holds(uint64_t number) const {
  return number >= first_number_ && number < next_number();
}

void PendingAcks::settle(uint64_t number) {
  if (holds(number)) items_[head_ + (number - first_number_)].settled = true;
}

void PendingAcks::drop_from(uint64_t number) {
  if (!holds(number)) return;
  const size_t kept = head_ + (number - first_number_);
  size_t ack_bytes = 0;
  for (size_t i = kept; i < items_.size(); ++i) {
    ack_bytes += items_[i].ack_bytes;
    frame_bytes_ -= items_[i].frame_bytes;
  }
  items_.resize(kept);
  acks_.resize(acks_.size() - ack_bytes);
  ack_end_ = acks_.size();
}

PendingAcks::Due PendingAcks::due() const {
  Due out;
  size_t bytes = 0;
  for (size_t i = head_; i < items_.size() && items_[i].settled; ++i) {
    bytes += items_[i].ack_bytes;
    ++out.messages;
  }
  out.acks = std::string_view(acks_).substr(ack_head_, bytes);
  return out;
}

void PendingAcks::pop(const Due& due) {
  CHECK(due.messages <= count());
  for (size_t i = 0; i < due.messages; ++i) frame_bytes_ -= items_[head_ + i].frame_bytes;
  head_ += due.messages;
  first_number_ += due.messages;
  ack_head_ += due.acks.size();
  tidy();
}

void PendingAcks::tidy() {
  if (empty()) {
    items_.clear();
    acks_.clear();
    head_ = 0;
    ack_head_ = 0;
    ack_end_ = 0;
    if (items_.capacity() > kKeptItems) items_.shrink_to_fit();
    if (acks_.capacity() > kKeptAckBytes) acks_.shrink_to_fit();
  } else if (head_ >= kMessagesMax) {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    acks_.erase(0, ack_head_);
    ack_end_ -= ack_head_;
    head_ = 0;
    ack_head_ = 0;
  }
}

}  // namespace millrace::input
