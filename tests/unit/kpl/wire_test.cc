// SPDX-License-Identifier: Apache-2.0
// Our writer against protobuf's own: the same bytes for keys and data of every size at which a
// varint grows, in both table forms, and the reader gives back what went in.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "kpl.pb.h"
#include "kpl/aggregate_reader.h"
#include "tests/unit/kpl/aggregate_text.h"

namespace millrace::kpl {
namespace {

constexpr size_t kSizes[] = {0,     1,     126,   127,     128,     129,     16382,
                             16383, 16384, 16385, 2097150, 2097151, 2097152, 2097153};

std::string by_protobuf(bool fluentd, const std::string& key,
                        std::initializer_list<const std::string*> data) {
  wire::AggregatedRecord message;
  if (fluentd) message.add_partition_key_table("a");
  message.add_partition_key_table(key);
  for (const std::string* one : data) {
    wire::Record& record = *message.add_records();
    record.set_partition_key_index(fluentd ? 1 : 0);
    record.set_data(*one);
  }
  return enveloped(message.SerializeAsString());
}

void expect_the_same(bool fluentd, size_t key_bytes, size_t data_bytes) {
  SCOPED_TRACE(::testing::Message() << "key " << key_bytes << ", data " << data_bytes);
  const AggregateHead head(fluentd ? config::KplCompat::kFluentd : config::KplCompat::kNone);
  const std::string key(key_bytes, 'k');
  const std::string data(data_bytes, 'd');
  const std::string other = "behind it";
  const std::string body = fragment(data, head.key_index()) + fragment(other, head.key_index());
  const std::string ours = aggregate(head, key, body);
  ASSERT_TRUE(ours == by_protobuf(fluentd, key, {&data, &other}));
  EXPECT_EQ(ours.size() + key_bytes, head.counted_size(body.size(), key_bytes));
  const Result<std::optional<Aggregate>> read = read_aggregate(ours);
  ASSERT_TRUE(read && read->has_value());
  const std::vector<UserRecord>& records = (*read)->records;
  ASSERT_EQ(records.size(), 2U);
  EXPECT_TRUE(records[0].partition_key == key && records[1].partition_key == key);
  EXPECT_TRUE(records[0].data == data);
  EXPECT_EQ(records[1].data, other);
}

TEST(Wire, DataOfEachSizeAtWhichAVarintGrows) {
  for (const bool fluentd : {false, true}) {
    for (const size_t size : kSizes) expect_the_same(fluentd, 36, size);
    // Where the record around the data grows, not the data: 3 bytes and the data's varint before
    // it.
    for (const size_t size :
         {122U, 123U, 124U, 16377U, 16378U, 16379U, 2097144U, 2097145U, 2097146U}) {
      expect_the_same(fluentd, 36, size);
    }
  }
}

// Kinesis takes at most 256 characters of at most four bytes.
TEST(Wire, KeysOfEachSizeAtWhichAVarintGrows) {
  for (const bool fluentd : {false, true}) {
    for (const size_t size : {1U, 126U, 127U, 128U, 129U, 1023U, 1024U}) {
      expect_the_same(fluentd, size, 300);
    }
  }
}

// The wire format knows no limit, so other writers may have other keys.
TEST(Wire, KeysOfOthersAreReadWhateverTheirSize) {
  for (const size_t size : kSizes) {
    const std::string key(size, 'k');
    const std::string data = "data";
    const std::string record = by_protobuf(true, key, {&data});
    const Result<std::optional<Aggregate>> read = read_aggregate(record);
    ASSERT_TRUE(read && read->has_value());
    ASSERT_EQ((*read)->records.size(), 1U);
    EXPECT_TRUE((*read)->records[0].partition_key == key);
    EXPECT_EQ((*read)->records[0].data, data);
  }
}

}  // namespace
}  // namespace millrace::kpl
