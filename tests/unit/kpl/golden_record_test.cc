// SPDX-License-Identifier: Apache-2.0
// From MessagePack to the bytes of the Kinesis record, compared with records of other programs: the
// two with injected pairs are the ones that fluent-plugin-kinesis-aggregation's own tests expect.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "format/json_formatter.h"
#include "tests/unit/kpl/aggregate_text.h"

namespace millrace::kpl {
namespace {

// 2011-01-02T13:14:15Z
constexpr EventTime kTime{1293974055, 0};

// The hexadecimal form of the record of `records`, made as the way in and the way out make it.
std::string golden(const config::Format& options, const std::vector<std::string>& records) {
  format::JsonFormatter formatter(options);
  formatter.set_tag("test");
  const AggregateHead head(options.kpl_compat);
  std::string body;
  for (const std::string& record : records) {
    std::vector<char> room(4096);
    const format::FormatResult json =
        formatter.format(record.data(), record.data() + record.size(), kTime, room.data(),
                         room.data() + room.size());
    EXPECT_EQ(json.status, format::FormatStatus::kOk);
    body +=
        fragment({room.data(), static_cast<size_t>(json.out_end - room.data())}, head.key_index());
  }
  return hex_encode(aggregate(head, options.fixed_partition_key, body));
}

config::Format options_with(const std::string& key, bool inject, config::KplCompat compat) {
  config::Format options;
  options.fixed_partition_key = key;
  options.inject = inject;
  options.kpl_compat = compat;
  return options;
}

TEST(GoldenRecord, OneEvent) {
  EXPECT_EQ(golden(options_with("pk", false, config::KplCompat::kNone), {"\x81\xa1\x61\x01"}),
            "f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b83");
}

TEST(GoldenRecord, TwoEventsAsFluentd) {
  EXPECT_EQ(golden(options_with("test_partition_key", true, config::KplCompat::kFluentd),
                   {"\x81\xa1\x61\x01", "\x81\xa1\x61\x02"}),
            "f3899ac20a01610a12746573745f706172746974696f6e5f6b65791a3608011a327b2261223a312c227469"
            "6d65223a22323031312d30312d30325431333a31343a31355a222c22746167223a2274657374227d1a3608"
            "011a327b2261223a322c2274696d65223a22323031312d30312d30325431333a31343a31355a222c227461"
            "67223a2274657374227da20e20798b02dfaeab931c3bcbad1f78");
}

TEST(GoldenRecord, MultibyteEventAsFluentd) {
  EXPECT_EQ(golden(options_with("test_partition_key", true, config::KplCompat::kFluentd),
                   {"\x81\xa1\x61\xb2"
                    "インストール"}),
            "f3899ac20a01610a12746573745f706172746974696f6e5f6b65791a4908011a457b2261223a22e382a4e3"
            "83b3e382b9e38388e383bce383ab222c2274696d65223a22323031312d30312d30325431333a31343a3135"
            "5a222c22746167223a2274657374227d5f249cf9762b70563a673763e3f224ba");
}

}  // namespace
}  // namespace millrace::kpl
