// SPDX-License-Identifier: Apache-2.0
// One chunk over several lives of the process, each configured in another way.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "io/lossy.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using testing::LogHarness;

struct Configured {
  std::string head;
  std::string key;  // empty: the chunk's id
  TailKind tail;
  uint64_t chunk_bytes_max;
};

void configure(LogHarness& harness, const Configured& with) {
  harness.profile.chunk_bytes_max = with.chunk_bytes_max;
  harness.profile.tail = with.tail;
  harness.profile.head = [with](const ChunkId& id) {
    return HeadAndKey{with.head, with.key.empty() ? id.uuid() : with.key};
  };
}

// K4. Staged when the first process is killed, sent by each of them, never answered.
TEST(Lives, K4AChunkKeepsItsBytesAndKeyWhateverIsConfiguredLater) {
  const Configured lives[] = {{"first head", "a fixed key", TailKind::kMd5, 100'000},
                              {"h", "", TailKind::kNone, 50},
                              {"another, much longer head", "another key", TailKind::kMd5, 1 << 20},
                              {"", "", TailKind::kNone, 10}};
  io::LossyFileSystem files;
  LogHarness harness(files);
  std::map<std::string, std::pair<std::string, std::string>> sent;  // id -> bytes and key
  std::string all;
  for (const Configured& with : lives) {
    configure(harness, with);
    ASSERT_TRUE(harness.start());
    size_t known = 0;
    while (auto taken = harness.take()) {
      const std::pair delivery(taken->loaded.bytes, taken->loaded.seal.open.partition_key);
      const auto [place, first] = sent.emplace(taken->chunk.id.hex(), delivery);
      EXPECT_EQ(place->second, delivery);
      known += first ? 0 : 1;
    }
    EXPECT_EQ(known + 1, std::max<size_t>(1, sent.size())) << "all but the last are repeated";
    for (int i = 0; i < 3; ++i) {
      const std::string record = "record " + std::to_string(all.size()) + ";";
      harness.append({record});
      ASSERT_TRUE(harness.commit());
      all += record;
    }
    harness.stop();
    files.cut_power();
  }
  EXPECT_TRUE(std::any_of(sent.begin(), sent.end(), [](const auto& chunk) {
    return chunk.second.first.starts_with("first headrecord 0;") &&
           chunk.second.second == "a fixed key";
  }));
}

}  // namespace
}  // namespace millrace::buffer
