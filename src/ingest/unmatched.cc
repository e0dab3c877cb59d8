// SPDX-License-Identifier: Apache-2.0
#include "ingest/unmatched.h"

#include "base/endian.h"

namespace millrace::ingest {
namespace {

// A chunk's metadata must fit an OPEN frame; tags so long are not written by any agent.
constexpr size_t kTagBytesMax = 32 << 10;
constexpr size_t kEntryBytesKept = 4 << 20;

template <class T>
void append_be(std::string& out, T value) {
  char bytes[sizeof(T)];
  store_be<T>(bytes, value);
  out.append(bytes, sizeof bytes);
}

// EventTime as fixext 8 where its 32 bits hold the seconds, else whole seconds as int 64.
void append_time(std::string& out, EventTime time) {
  if (time.seconds >= 0 && time.seconds <= UINT32_MAX) {
    out.append("\xd7\x00", 2);
    append_be<uint32_t>(out, static_cast<uint32_t>(time.seconds));
    append_be<uint32_t>(out, time.nanoseconds);
  } else {
    out.push_back('\xd3');
    append_be<uint64_t>(out, static_cast<uint64_t>(time.seconds));
  }
}

}  // namespace

Unmatched::Unmatched(buffer::Log& log) : log_(log) {
  profile_.payload_format = buffer::kFormatMsgpackEntries;
  profile_.chunk_bytes_max = kChunkBytesMax;
  profile_.record_bytes_max = UINT64_MAX;
  profile_.head = [](const ChunkId& id) { return buffer::HeadAndKey{{}, id.uuid()}; };
  opaque_profile_.head = profile_.head;
  target_.profile = &profile_;
  target_.kind = buffer::ChunkKind::kDeadLetter;
  target_.dead_reason = buffer::DeadReason::kUnmatched;
}

void Unmatched::begin_request(std::string_view tag) {
  stage_key_ = tag.substr(0, kTagBytesMax);
  metadata_ = {{"tag", stage_key_}};
  target_.stage_key = stage_key_;
  target_.metadata = &metadata_;
}

void Unmatched::put(EventTime time, std::string_view record) {
  entry_.assign("\x92", 1);
  append_time(entry_, time);
  entry_.append(record);
  log_.appender().put(target_, entry_);
  if (entry_.capacity() > kEntryBytesKept) std::string().swap(entry_);
}

}  // namespace millrace::ingest
