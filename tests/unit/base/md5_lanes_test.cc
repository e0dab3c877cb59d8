// SPDX-License-Identifier: Apache-2.0
#include "base/md5_lanes.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace millrace {
namespace {

std::string noise(std::mt19937_64& random, size_t bytes) {
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

void expect_md5_of_each(const std::vector<std::string>& messages) {
  const std::vector<std::string_view> views(messages.begin(), messages.end());
  std::vector<Md5Bytes> digests(views.size());
  md5_lanes(views, digests);
  for (size_t i = 0; i < views.size(); ++i) {
    EXPECT_EQ(digests[i], md5(views[i])) << i << " of " << views.size() << ", " << views[i].size();
  }
}

// Every length around the padding's turn from one block to two.
TEST(Md5Lanes, IsMd5WhateverTheLength) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size <= 260; ++size) {
    expect_md5_of_each({noise(random, size)});
    expect_md5_of_each({noise(random, size), noise(random, size + 1), noise(random, size + 2),
                        noise(random, size + 3)});
  }
}

TEST(Md5Lanes, MessagesOfAnyNumberAndLengthsDoNotTouchEachOther) {
  std::mt19937_64 random(2);
  for (size_t round = 0; round < 400; ++round) {
    std::vector<std::string> messages;
    for (size_t i = 0; i < 1 + round % kMd5Lanes; ++i) {
      messages.push_back(noise(random, random() % (round % 10 == 0 ? 100'000 : 700)));
    }
    expect_md5_of_each(messages);
  }
  expect_md5_of_each({});
}

}  // namespace
}  // namespace millrace
