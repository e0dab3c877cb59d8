// SPDX-License-Identifier: Apache-2.0
#include "ingest/lane.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "kpl/record_encoder.h"

namespace millrace::ingest {
namespace {

using format::FormatResult;
using format::FormatStatus;

constexpr size_t kScratchBytesFirst = 256 << 10;
constexpr size_t kScratchBytesKept = 4 << 20;
constexpr size_t kGap = kpl::kFragmentHeaderBytesMax;

}  // namespace

Lane::Lane(const config::Match& match, buffer::Log& log)
    : log_(log),
      options_(match.buffer),
      formatter_(match.format),
      head_(match.format.kpl_compat),
      key_(match.format.fixed_partition_key) {
  const uint64_t record_max = head_.body_bytes_max(match.format.record_limit, key_.size());
  profile_.payload_format = static_cast<uint8_t>(head_.payload_format());
  profile_.tail = buffer::TailKind::kMd5;
  profile_.chunk_bytes_max = std::min(options_.chunk_limit_size, record_max);
  profile_.record_bytes_max = record_max;
  profile_.records_max = options_.chunk_limit_records;
  profile_.seal_each_request = options_.flush_mode == config::FlushMode::kImmediate;
  profile_.head = [this](const ChunkId& id) {
    std::string key = key_.of(id);
    std::string bytes = head_.bytes(key);
    return buffer::HeadAndKey{std::move(bytes), std::move(key)};
  };
  opaque_profile_.head = [this](const ChunkId& id) { return buffer::HeadAndKey{{}, key_.of(id)}; };
  target_.profile = &profile_;
}

void Lane::begin_request(std::string_view tag, bool decimals) {
  formatter_.set_tag(tag);
  formatter_.take_decimals(decimals);
  request_bytes_ = 0;
}

// The JSON is written behind a gap for the fragment's header, whose size depends on the JSON's own;
// the guess is right for 128 to 16378 bytes, otherwise the data is moved.
Lane::Result Lane::encode(const char* record, const char* end, EventTime time) {
  const buffer::GroupWriter::Space space = log_.appender().space(target_);
  if (space.bytes > kGap) {
    char* data = space.begin + kpl::kFragmentHeaderBytesGuess;
    const FormatResult formatted =
        formatter_.format(record, end, time, data,
                          space.begin + space.bytes - (kGap - kpl::kFragmentHeaderBytesGuess));
    if (formatted.status == FormatStatus::kOk) {
      const size_t bytes =
          frame_in_place(space.begin, static_cast<size_t>(formatted.out_end - data));
      if (bytes <= profile_.record_bytes_max) {
        request_bytes_ += bytes;
        log_.appender().take(target_, bytes);
        return Result{Encoded::kStored, formatted.record_end};
      }
      scratch_.assign(space.begin, bytes);
      put_oversize(scratch_);
      request_bytes_ += bytes;
      return Result{Encoded::kOversize, formatted.record_end};
    }
    if (formatted.status != FormatStatus::kNoSpace) return not_formatted(formatted);
  }
  return encode_in_scratch(record, end, time);
}

// Data stands at begin + guess; puts the header before it. Returns the bytes of both, from begin
// on.
size_t Lane::frame_in_place(char* begin, size_t data_bytes) {
  const size_t header = kpl::fragment_header_size(data_bytes);
  if (header != kpl::kFragmentHeaderBytesGuess) {
    std::memmove(begin + header, begin + kpl::kFragmentHeaderBytesGuess, data_bytes);
  }
  kpl::put_fragment_header(begin, data_bytes, head_.key_index());
  return header + data_bytes;
}

// The end of a memory block, or an event that is larger than one: through memory of its own, which
// is not kept if it became large.
Lane::Result Lane::encode_in_scratch(const char* record, const char* end, EventTime time) {
  const Result result = format_in_scratch(record, end, time);
  if (scratch_.capacity() > kScratchBytesKept) std::string().swap(scratch_);
  return result;
}

// JSON is rarely more than twice its MessagePack; each attempt goes over the whole record.
size_t Lane::expected_bytes(const char* record, const char* end) {
  const char* at = record;
  if (msgpack_token::skip(at, end) != msgpack_token::Status::kOk) return 0;
  return 2 * static_cast<size_t>(at - record);
}

Lane::Result Lane::format_in_scratch(const char* record, const char* end, EventTime time) {
  std::string& bytes = scratch_;
  size_t size = std::max(bytes.capacity(), kScratchBytesFirst + expected_bytes(record, end));
  for (;; size *= 2) {
    size = std::min<size_t>(size, kRecordEncodedBytesMax);
    bytes.resize(size);
    char* data = bytes.data() + kpl::kFragmentHeaderBytesGuess;
    const FormatResult formatted =
        formatter_.format(record, end, time, data, bytes.data() + size - kGap);
    if (formatted.status == FormatStatus::kNoSpace && size < kRecordEncodedBytesMax) continue;
    if (formatted.status != FormatStatus::kOk) return not_formatted(formatted);
    const size_t framed =
        frame_in_place(bytes.data(), static_cast<size_t>(formatted.out_end - data));
    request_bytes_ += framed;
    const std::string_view whole(bytes.data(), framed);
    if (framed > profile_.record_bytes_max) {
      put_oversize(whole);
      return Result{Encoded::kOversize, formatted.record_end};
    }
    log_.appender().put(target_, whole);
    return Result{Encoded::kStored, formatted.record_end};
  }
}

// Keeps an event that no Kinesis record can hold, whole, in a chunk of its own that is never sent.
void Lane::put_oversize(std::string_view framed) {
  buffer::StageTarget dead = target_;
  dead.dead_reason = buffer::DeadReason::kOversize;
  log_.appender().put_dead_letter(dead, framed);
}

Lane::Result Lane::not_formatted(const FormatResult& formatted) {
  switch (formatted.status) {
    case FormatStatus::kTruncated:
      return Result{Encoded::kTruncated, nullptr};
    case FormatStatus::kMalformed:
      return Result{Encoded::kMalformed, nullptr};
    case FormatStatus::kTooCostly:
    case FormatStatus::kNoSpace:
      return Result{Encoded::kTooCostly, nullptr};
    default:
      return Result{Encoded::kDiscarded, formatted.record_end};
  }
}

}  // namespace millrace::ingest
