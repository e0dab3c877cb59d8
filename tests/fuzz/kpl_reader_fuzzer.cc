// SPDX-License-Identifier: Apache-2.0
// Any bytes as a Kinesis record, and as the protobuf part of one whose digest fits: all of its
// records or none, every view inside the aggregate, and what can be written again reads the same.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/digest.h"
#include "kpl/aggregate_reader.h"
#include "kpl/kpl_format.h"
#include "kpl/record_encoder.h"

namespace {

namespace kpl = millrace::kpl;
using Reading = millrace::Result<std::optional<kpl::Aggregate>>;

std::string enveloped(std::string_view message) {
  const millrace::Md5Bytes digest = millrace::md5(message);
  return std::string(kpl::kMagic)
      .append(message)
      .append(reinterpret_cast<const char*>(digest.data()), digest.size());
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
  return enveloped(table + body);
}

void check(const Reading& reading, size_t size) {
  if (!reading || !reading->has_value()) return;
  const kpl::Aggregate& aggregate = **reading;
  size_t data_bytes = 0;
  for (const kpl::UserRecord& record : aggregate.records) data_bytes += record.data.size();
  CHECK(data_bytes <= size);
  if (aggregate.records.empty() || aggregate.records.size() > kpl::kKeyIndexMax) return;
  const Reading again = kpl::read_aggregate(rewritten(aggregate));
  CHECK(again && again->has_value() && (*again)->records.size() == aggregate.records.size());
  for (size_t i = 0; i < aggregate.records.size(); ++i) {
    CHECK((*again)->records[i].partition_key == aggregate.records[i].partition_key);
    CHECK((*again)->records[i].data == aggregate.records[i].data);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check(kpl::read_aggregate(bytes), size);
  check(kpl::read_aggregate(enveloped(bytes)), size);
  return 0;
}
