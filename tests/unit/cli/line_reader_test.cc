// SPDX-License-Identifier: Apache-2.0
#include "cli/line_reader.h"

#include <gtest/gtest.h>

#include "tests/unit/cli/captured.h"

namespace millrace::cli {
namespace {

TEST(LineReader, GivesLinesOfAnySize) {
  const std::string big(200'000, 'b');
  const UniqueFd fd = scratch_file("a\n\n" + big + "\nlast");
  LineReader lines(fd.get(), 1 << 20);
  EXPECT_FALSE(lines.has_line());
  EXPECT_EQ(**lines.next(), "a");
  EXPECT_TRUE(lines.has_line());
  EXPECT_EQ(**lines.next(), "");
  EXPECT_EQ(**lines.next(), big);
  EXPECT_TRUE(lines.ended_with_newline());
  EXPECT_EQ(**lines.next(), "last");
  EXPECT_FALSE(lines.ended_with_newline());
  EXPECT_EQ(lines.line_number(), 4U);
  EXPECT_FALSE(lines.next()->has_value());
  EXPECT_FALSE(lines.next()->has_value());
}

TEST(LineReader, BoundsLines) {
  const std::string fits(1000, 'x');
  const UniqueFd fd = scratch_file(fits + "\n" + fits + "x\n");
  LineReader lines(fd.get(), 1000);
  EXPECT_EQ(**lines.next(), fits);
  const auto refused = lines.next();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  const UniqueFd endless = scratch_file(std::string(1 << 20, 'x'));
  LineReader other(endless.get(), 1000);
  EXPECT_FALSE(other.next());
  EXPECT_LT(::lseek(endless.get(), 0, SEEK_CUR), 200'000);
}

TEST(LineReader, PeeksWithoutTaking) {
  const std::string text = std::string(100'000, 'a') + "\nrest\n";
  const UniqueFd fd = scratch_file(text);
  LineReader lines(fd.get(), 1 << 20);
  EXPECT_EQ(*lines.peek(4), "aaaa");
  EXPECT_EQ(lines.peek(1 << 20)->size(), 100'000U);
  EXPECT_EQ(*lines.take_all(1 << 20), text);
  EXPECT_EQ(*lines.peek(4), "");
  EXPECT_EQ(*lines.take_all(10), "");
}

TEST(LineReader, BoundsAll) {
  const UniqueFd fd = scratch_file(std::string(1000, 'a'));
  LineReader lines(fd.get(), 1 << 20);
  EXPECT_FALSE(lines.take_all(999));
  EXPECT_EQ(lines.take_all(1000)->size(), 1000U);
}

TEST(LineReader, TellsWhyItCannotRead) {
  LineReader lines(-1, 10);
  ASSERT_FALSE(lines.next());
  EXPECT_FALSE(lines.peek(1));
  EXPECT_EQ(lines.take_all(1).error().message, "cannot read: Bad file descriptor");
}

}  // namespace
}  // namespace millrace::cli
