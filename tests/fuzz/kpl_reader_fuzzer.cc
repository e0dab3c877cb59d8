// SPDX-License-Identifier: Apache-2.0
// Any bytes as a Kinesis record, and as the protobuf part of one whose digest fits: all of its
// records, exactly as the generated class reads the whole message, or none where that reads none;
// without the magic they are no aggregate. Only tags and sizes of five bytes and more, which nobody
// writes, are the reader's own affair: the class refuses them, other languages' classes do not.
// What is read and can be written again reads the same.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/digest.h"
#include "kpl.pb.h"
#include "kpl/aggregate_reader.h"
#include "kpl/kpl_format.h"
#include "kpl/record_encoder.h"

namespace {

namespace kpl = millrace::kpl;
using Reading = millrace::Result<std::optional<kpl::Aggregate>>;

constexpr std::string_view kMagic = "\xf3\x89\x9a\xc2";
constexpr size_t kAroundMessage = 4 + 16;

struct Expected {
  std::string partition_key;
  std::optional<std::string> explicit_hash_key;
  std::string data;
};

std::string digest_of(std::string_view message) {
  const millrace::Md5Bytes digest = millrace::md5(message);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string enveloped(std::string_view message) {
  return std::string(kMagic).append(message).append(digest_of(message));
}

// Nothing: damaged.
std::optional<std::vector<Expected>> read_by_class(std::string_view message) {
  kpl::wire::AggregatedRecord whole;
  if (!whole.ParsePartialFromArray(message.data(), static_cast<int>(message.size())) ||
      !whole.IsInitialized()) {
    return std::nullopt;
  }
  const auto& keys = whole.partition_key_table();
  const auto& hash_keys = whole.explicit_hash_key_table();
  std::vector<Expected> out;
  for (const kpl::wire::Record& record : whole.records()) {
    const uint64_t key = record.partition_key_index();
    const uint64_t hash_key = record.explicit_hash_key_index();
    if (key >= static_cast<uint64_t>(keys.size())) return std::nullopt;
    Expected& added = out.emplace_back();
    added.partition_key = keys.Get(static_cast<int>(key));
    added.data = record.data();
    if (!record.has_explicit_hash_key_index()) continue;
    if (hash_key >= static_cast<uint64_t>(hash_keys.size())) return std::nullopt;
    added.explicit_hash_key = hash_keys.Get(static_cast<int>(hash_key));
  }
  return out;
}

bool has_long_varint(std::string_view message) {
  size_t run = 0;
  for (const char c : message) {
    run = static_cast<unsigned char>(c) >= 0x80 ? run + 1 : 0;
    if (run == 4) return true;
  }
  return false;
}

void check_records(const std::vector<kpl::UserRecord>& records,
                   const std::vector<Expected>& expected) {
  CHECK(records.size() == expected.size());
  for (size_t i = 0; i < records.size(); ++i) {
    CHECK(records[i].partition_key == expected[i].partition_key);
    CHECK(records[i].explicit_hash_key == expected[i].explicit_hash_key);
    CHECK(records[i].data == expected[i].data);
  }
}

// One table entry a record, as far as an index of one byte reaches.
std::string rewritten(const kpl::Aggregate& aggregate) {
  std::string table;
  std::string body;
  char header[kpl::kFragmentHeaderBytesMax];
  for (size_t i = 0; i < aggregate.records.size(); ++i) {
    const kpl::UserRecord& record = aggregate.records[i];
    table += kpl::kTagPartitionKey;
    const char* const end = kpl::put_varint(header, record.partition_key.size());
    table.append(header, static_cast<size_t>(end - header)).append(record.partition_key);
    const char* const header_end =
        kpl::put_fragment_header(header, record.data.size(), static_cast<uint32_t>(i));
    body.append(header, static_cast<size_t>(header_end - header)).append(record.data);
  }
  return table + body;
}

void check_rewritten(const kpl::Aggregate& aggregate, std::vector<Expected> expected) {
  if (expected.empty() || expected.size() > kpl::kKeyIndexMax) return;
  for (Expected& record : expected) record.explicit_hash_key.reset();
  const std::string message = rewritten(aggregate);
  const auto by_class = read_by_class(message);
  CHECK(by_class.has_value());
  const Reading again = kpl::read_aggregate(enveloped(message));
  CHECK(again && again->has_value());
  check_records((*again)->records, *by_class);
  check_records((*again)->records, expected);
}

void check(std::string_view bytes) {
  const Reading reading = kpl::read_aggregate(bytes);
  if (bytes.size() <= kAroundMessage || !bytes.starts_with(kMagic)) {
    CHECK(reading && !reading->has_value());
    return;
  }
  const std::string_view message = bytes.substr(kMagic.size(), bytes.size() - kAroundMessage);
  std::optional<std::vector<Expected>> expected;
  if (bytes.ends_with(digest_of(message))) expected = read_by_class(message);
  if (!expected) {
    CHECK(!reading || has_long_varint(message));
    return;
  }
  CHECK(reading && reading->has_value());
  check_records((*reading)->records, *expected);
  check_rewritten(**reading, *std::move(expected));
}

// Without head and digest. Whether an index fits cannot be told then.
void check_fragments(std::string_view body) {
  const auto fragments = kpl::read_fragments(body);
  if (!fragments || has_long_varint(body)) return;
  kpl::wire::AggregatedRecord whole;
  CHECK(whole.ParseFromArray(body.data(), static_cast<int>(body.size())));
  CHECK(whole.partition_key_table().empty() && whole.explicit_hash_key_table().empty());
  CHECK(static_cast<size_t>(whole.records().size()) == fragments->records.size());
  for (size_t i = 0; i < fragments->records.size(); ++i) {
    CHECK(fragments->records[i].data == whole.records(static_cast<int>(i)).data());
    CHECK(fragments->records[i].partition_key.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  check(enveloped(bytes));
  check_fragments(bytes);
  return 0;
}
