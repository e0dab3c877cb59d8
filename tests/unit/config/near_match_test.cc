// SPDX-License-Identifier: Apache-2.0
#include "config/near_match.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::config {
namespace {

TEST(NearMatch, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("port", "port"), 0U);
  EXPECT_EQ(edit_distance("prot", "port"), 1U);  // a swap is one
  EXPECT_EQ(edit_distance("pot", "port"), 1U);
  EXPECT_EQ(edit_distance("ports", "port"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
}

TEST(NearMatch, FindsTheNearest) {
  const std::vector<std::string> words = {"workers", "root_dir", "log_level", "log", "warn"};
  EXPECT_EQ(near_match("worker", words), "workers");
  EXPECT_EQ(near_match("log_levle", words), "log_level");
  EXPECT_EQ(near_match("warning", words), "warn");
  EXPECT_EQ(near_match("chunk", words), "");
  EXPECT_EQ(near_match("", words), "");
  EXPECT_EQ(near_match("x", {}), "");
}

}  // namespace
}  // namespace millrace::config
