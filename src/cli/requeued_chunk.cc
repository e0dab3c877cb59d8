// SPDX-License-Identifier: Apache-2.0
#include "cli/requeued_chunk.h"

#include <algorithm>

#include "buffer/dead_letters.h"
#include "cli/buffer_logs.h"
#include "kpl/aggregate_head.h"
#include "kpl/aggregate_reader.h"
#include "kpl/kpl_format.h"

namespace millrace::cli {
namespace {

constexpr uint64_t kRecordBytesMax = 10ULL << 20;  // of a Kinesis record (API reference, PutRecord)

tl::unexpected<Error> not_sendable(const buffer::DeadLetterFile& letter, const std::string& why) {
  return fail(ErrorKind::kInvalid, "chunk " + letter.id.uuid() + ": " + why);
}

tl::unexpected<Error> damaged(const buffer::DeadLetterFile& letter, const char* why) {
  return fail(ErrorKind::kCorrupt, letter.path + ": " + why);
}

bool was_to_be_delivered(const std::string& reason) {
  return reason == buffer::reason::kRefused || reason == buffer::reason::kRetryLimit ||
         reason == buffer::reason::kByHand;
}

Result<> check_kind(const buffer::DeadLetterFile& letter, bool force) {
  if (letter.payload_format != buffer::kFormatKplIndex0 &&
      letter.payload_format != buffer::kFormatKplIndex1) {
    return not_sendable(letter, "its reason is " + shown(letter.reason) +
                                    ", and it has no partition key; millrace buffer cat "
                                    "prints its events, to be sent again");
  }
  if (!was_to_be_delivered(letter.reason) && !force) {
    return not_sendable(letter, "its reason is " + shown(letter.reason) +
                                    ", so it will be refused again; --force queues it all the "
                                    "same, once record_limit or the stream's limit was raised");
  }
  if (letter.file_bytes > kRecordBytesMax) {
    return not_sendable(letter, "it is larger than any Kinesis record (10 MiB)");
  }
  return {};
}

// Bytes of the fragment that `body` begins with; 0: it begins with none.
size_t fragment_bytes(std::string_view body) {
  if (body.empty() || body[0] != kpl::kTagRecord) return 0;
  uint64_t size = 0;
  size_t at = 1;
  for (int shift = 0; shift < 35; shift += 7, ++at) {
    if (at >= body.size()) return 0;
    const auto byte = static_cast<uint8_t>(body[at]);
    size |= uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) {
      return size <= body.size() - at - 1 ? at + 1 + static_cast<size_t>(size) : 0;
    }
  }
  return 0;
}

}  // namespace

Result<RequeuedChunk> read_requeued(io::FileSystem& files, const buffer::DeadLetterFile& letter,
                                    bool force) {
  if (!letter.fault.empty()) return damaged(letter, letter.fault.c_str());
  if (auto checked = check_kind(letter, force); !checked) return tl::unexpected(checked.error());
  auto bytes = buffer::read_dead_letter(files, letter);
  if (!bytes) return tl::unexpected(bytes.error());
  RequeuedChunk chunk;
  chunk.bytes = std::move(*bytes);
  const auto compat = letter.payload_format == buffer::kFormatKplIndex1
                          ? config::KplCompat::kFluentd
                          : config::KplCompat::kNone;
  if (letter.partition_key.size() > kpl::kPartitionKeyBytesMax) {
    return damaged(letter, "its partition key is too long");
  }
  chunk.open.head = kpl::AggregateHead(compat).bytes(letter.partition_key);
  const size_t ends = chunk.open.head.size() + kpl::kDigestBytes;
  if (!chunk.bytes.starts_with(chunk.open.head) || chunk.bytes.size() < ends) {
    return damaged(letter, "its bytes do not begin with its partition key");
  }
  const auto aggregate = kpl::read_aggregate(chunk.bytes);
  if (!aggregate) return damaged(letter, aggregate.error().message.c_str());
  std::string_view body = std::string_view(chunk.bytes).substr(chunk.open.head.size());
  body.remove_suffix(kpl::kDigestBytes);
  while (const size_t size = fragment_bytes(body)) {
    chunk.records.push_back(body.substr(0, size));
    body.remove_prefix(size);
  }
  // Of a chunk that the disk had lost, its head and tail are all there is.
  const bool as_told = !chunk.records.empty() || letter.records == 0;
  if (!body.empty() || !as_told || !*aggregate ||
      chunk.records.size() != (*aggregate)->records.size()) {
    return damaged(letter, "its body is not made of whole records");
  }
  chunk.open.id = letter.id;
  chunk.open.created_us = letter.created_us;
  chunk.open.payload_format = letter.payload_format;
  chunk.open.tail = buffer::TailKind::kMd5;
  chunk.open.partition_key = letter.partition_key;
  chunk.open.metadata = letter.metadata;
  if (!buffer::fits(chunk.open)) return damaged(letter, "its metadata is larger than any chunk's");
  return chunk;
}

}  // namespace millrace::cli
