// SPDX-License-Identifier: Apache-2.0
#include "kpl/record_encoder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::kpl {
namespace {

// The first sizes of each class, and the last: the varint of the data, or of the record, grows.
TEST(RecordEncoder, HeaderGrowsWithTheVarints) {
  const std::vector<std::pair<size_t, size_t>> cases = {
      {0, 6},          {1, 6},          {123, 6},
      {124, 7},        {127, 7},        {128, 8},
      {16378, 8},      {16379, 9},      {16383, 9},
      {16384, 10},     {2097145, 10},   {2097146, 11},
      {2097151, 11},   {2097152, 12},   {10 << 20, 12},
      {268435455, 13}, {268435456, 14}, {kFragmentDataBytesMax, kFragmentHeaderBytesMax}};
  for (const auto& [data_bytes, header_bytes] : cases) {
    EXPECT_EQ(fragment_header_size(data_bytes), header_bytes) << data_bytes;
    EXPECT_EQ(fragment_size(data_bytes), data_bytes + header_bytes);
  }
}

TEST(RecordEncoder, WritesTheHeaderOfTheFormat) {
  char header[kFragmentHeaderBytesMax];
  EXPECT_EQ(std::string(header, put_fragment_header(header, 7, 0)),
            std::string("\x1a\x0b\x08\x00\x1a\x07", 6));
  EXPECT_EQ(std::string(header, put_fragment_header(header, 50, 1)),
            std::string("\x1a\x36\x08\x01\x1a\x32", 6));
  EXPECT_EQ(std::string(header, put_fragment_header(header, 0, 0)),
            std::string("\x1a\x04\x08\x00\x1a\x00", 6));
  EXPECT_EQ(std::string(header, put_fragment_header(header, 323, 0)),
            std::string("\x1a\xc8\x02\x08\x00\x1a\xc3\x02", 8));
}

RC_GTEST_PROP(RecordEncoder, HeaderIsAsLongAsItsSizeSays, ()) {
  const auto shift = *rc::gen::inRange(0, 32);
  const auto data_bytes = *rc::gen::inRange<size_t>(0, kFragmentDataBytesMax) >> shift;
  char header[kFragmentHeaderBytesMax];
  const char* const end = put_fragment_header(header, data_bytes, 1);
  RC_ASSERT(static_cast<size_t>(end - header) == fragment_header_size(data_bytes));
}

}  // namespace
}  // namespace millrace::kpl
