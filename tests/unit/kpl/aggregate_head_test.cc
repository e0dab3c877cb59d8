// SPDX-License-Identifier: Apache-2.0
#include "kpl/aggregate_head.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "kpl/kpl_format.h"
#include "tests/unit/kpl/aggregate_text.h"

namespace millrace::kpl {
namespace {

const AggregateHead kPlain(config::KplCompat::kNone);
const AggregateHead kFluentd(config::KplCompat::kFluentd);

TEST(AggregateHead, IsMagicAndTable) {
  EXPECT_EQ(hex_encode(kPlain.bytes("pk")), "f3899ac20a02706b");
  EXPECT_EQ(hex_encode(kFluentd.bytes("pk")), "f3899ac20a01610a02706b");
  EXPECT_EQ(kPlain.key_index(), 0U);
  EXPECT_EQ(kFluentd.key_index(), 1U);
  EXPECT_EQ(kPlain.payload_format(), PayloadFormat::kFragmentsIndex0);
  EXPECT_EQ(kFluentd.payload_format(), PayloadFormat::kFragmentsIndex1);
}

TEST(AggregateHead, LongKeysTakeALongerVarint) {
  const std::string key(512, 'k');
  const std::string head = kPlain.bytes(key);
  EXPECT_EQ(hex_encode(head.substr(0, 7)), "f3899ac20a8004");
  EXPECT_EQ(head.size(), kPlain.size(512));
}

// What a chunk of one event costs beside its fragment, for the usual keys.
TEST(AggregateHead, CountsTheKeyTwice) {
  EXPECT_EQ(kPlain.counted_size(0, 36), 94U);
  EXPECT_EQ(kPlain.counted_size(0, 32), 86U);
  EXPECT_EQ(kPlain.counted_size(0, 16), 54U);
  EXPECT_EQ(kFluentd.counted_size(0, 36), 97U);
  EXPECT_EQ(kPlain.counted_size(13, 2), 37U + 2);  // 37 bytes and the key of the request
}

TEST(AggregateHead, LeavesTheRestToTheBody) {
  EXPECT_EQ(kPlain.body_bytes_max(1 << 20, 36), (1U << 20) - 94);
  EXPECT_EQ(kPlain.body_bytes_max(94, 36), 0U);
  EXPECT_EQ(kPlain.body_bytes_max(95, 36), 1U);
  EXPECT_EQ(kPlain.body_bytes_max(0, 36), 0U);
}

RC_GTEST_PROP(AggregateHead, BodyAtItsMaximumNeverExceedsTheLimit, (bool fluentd)) {
  const AggregateHead& head = fluentd ? kFluentd : kPlain;
  const std::string key(*rc::gen::inRange<size_t>(1, kPartitionKeyBytesMax + 1), 'k');
  const auto limit = *rc::gen::inRange<size_t>(64 << 10, 200 << 10);
  const std::string body(head.body_bytes_max(limit, key.size()), 'b');
  const std::string record = aggregate(head, key, body);
  RC_ASSERT(record.size() + key.size() == limit);
  RC_ASSERT(head.counted_size(body.size(), key.size()) == limit);
}

}  // namespace
}  // namespace millrace::kpl
