// SPDX-License-Identifier: Apache-2.0
// The seed of request keys when headers do not hold, and of a buffer from elsewhere.

#include "buffer/key_seed.h"

#include <gtest/gtest.h>

#include "buffer/stopped_log.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr const char* kOther = "/buffer/worker0/other/buffer";
constexpr uint64_t kSeedAt = 64;

class KeySeedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    harness.keys = &keys;
    ASSERT_TRUE(harness.start());
    harness.next_key = key;
    harness.append({"message;"});
    ASSERT_TRUE(harness.commit());
    harness.append({"proves it;"});
    ASSERT_TRUE(harness.commit());
    harness.stop();
  }
  /// Of the log's only segment.
  void damage_header() {
    const auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.name.ends_with(".log")) continue;
      auto file = files.open(std::string(kDirectory) + "/" + entry.name, io::OpenMode::kReadWrite);
      ASSERT_TRUE((*file)->pwrite("!", kSeedAt));
    }
  }
  /// What the next life knows.
  bool start_and_ask() {
    KeyTable fresh{3'600'000};
    harness.keys = &fresh;
    EXPECT_TRUE(harness.start());
    harness.stop();
    return fresh.knows(key, 1);
  }
  uint64_t keys_lost() { return harness.registry.total(Metric::kKeysLost); }

  const RequestKey key{7};
  KeyTable keys{3'600'000};
  testing::MemoryFileSystem files;
  LogHarness harness{files, kDirectory};
};

TEST_F(KeySeedTest, IsFoundInAHeader) {
  const FoundKeySeed found = find_key_seed(files, {kOther, kDirectory});
  EXPECT_EQ(found.seed, harness.key_seed);
  EXPECT_EQ(found.unreadable, 0U);
  EXPECT_TRUE(start_and_ask());
}

TEST_F(KeySeedTest, KeysOfALogWhoseHeaderIsDamagedAreThoseOfTheNode) {
  damage_header();
  const FoundKeySeed found = find_key_seed(files, {kDirectory});
  EXPECT_FALSE(found.seed);
  EXPECT_EQ(found.unreadable, 1U);
  EXPECT_TRUE(start_and_ask());
  EXPECT_EQ(keys_lost(), 0U);
}

// A tool that opens it must not make up a seed, which would be the newest.
TEST_F(KeySeedTest, AToolMakesUpNone) {
  LogHarness other(files, kOther);
  ASSERT_TRUE(other.start());
  other.stop();
  damage_header();
  ASSERT_TRUE(StoppedLog::open(harness.io(), kDirectory));
  EXPECT_FALSE(find_key_seed(files, {kDirectory}).seed);
  EXPECT_EQ(find_key_seed(files, {kOther, kDirectory}).seed, harness.key_seed);
  EXPECT_TRUE(start_and_ask());
}

TEST_F(KeySeedTest, AToolKeepsTheOneThatIsThere) {
  ASSERT_TRUE(StoppedLog::open(harness.io(), kDirectory));
  EXPECT_EQ(find_key_seed(files, {kDirectory}).seed, harness.key_seed);
  EXPECT_TRUE(start_and_ask());
}

TEST_F(KeySeedTest, KeysOfAnotherNodeAreCounted) {
  ++harness.key_seed;
  EXPECT_FALSE(start_and_ask());
  EXPECT_EQ(keys_lost(), 1U);
}

}  // namespace
}  // namespace millrace::buffer
