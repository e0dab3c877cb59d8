// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_files.h"

#include <gtest/gtest.h>

#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;
using testing::MemoryFileSystem;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr uint64_t kFileBytesMax = 64 << 20;

class LogFilesTest : public ::testing::Test {
 protected:
  // Two lives that leave a segment each; one chunk in the first.
  void SetUp() override {
    ASSERT_TRUE(harness_.start());
    harness_.append({"a;", "b;"});
    ASSERT_TRUE(harness_.commit());
    harness_.stop();
    ASSERT_TRUE(harness_.start());
    harness_.stop();
    segments_ = segments();
    ASSERT_EQ(segments_.size(), 2U);
  }

  std::vector<std::string> segments() {
    std::vector<std::string> names;
    const auto entries = files_.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) names.push_back(entry.name);
    }
    return names;
  }
  std::string content(const std::string& name) {
    return *io::read_whole(files_, std::string(kDirectory) + "/" + name, kFileBytesMax);
  }
  void put(const std::string& name, std::string bytes) {
    files_.put(std::string(kDirectory) + "/" + name, std::move(bytes));
  }
  bool is_aside(const std::string& name) {
    return *files_.exists(std::string(kDirectory) + "/corrupt/" + name);
  }
  void expect_all_delivered() {
    ASSERT_TRUE(harness_.start());
    EXPECT_EQ(harness_.drain(), "a;b;");
    harness_.log().tend();
    harness_.stop();
    ASSERT_TRUE(harness_.start());
    EXPECT_EQ(harness_.drain(), "");
  }

  MemoryFileSystem files_;
  LogHarness harness_{files_, kDirectory};
  std::vector<std::string> segments_;
};

TEST_F(LogFilesTest, OfACopyTheOneUnderItsOwnNameCounts) {
  const std::string before = "seg.00000001.0000000000000000.log";
  ASSERT_EQ(segments_[0], before);
  put("seg.00000001.0000000000001000.log", content(before));
  put("seg.00000009.0000000000000000.log", content(before));
  expect_all_delivered();
  EXPECT_TRUE(is_aside("seg.00000001.0000000000001000.log"));
  EXPECT_TRUE(is_aside("seg.00000009.0000000000000000.log"));
}

TEST_F(LogFilesTest, SwappedNamesChangeNothing) {
  const std::string first = content(segments_[0]);
  put(segments_[0], content(segments_[1]));
  put(segments_[1], first);
  expect_all_delivered();
}

TEST_F(LogFilesTest, AFileWithoutAGoodHeaderThatFitsNowhereIsMovedAside) {
  const std::string later = "seg.00000007.0000000000000000.log";
  put(later, std::string(3 * kBlockBytes, 'x'));
  expect_all_delivered();
  EXPECT_TRUE(is_aside(later));
  EXPECT_GE(harness_.registry.total(Metric::kCorruptBytes), 3 * kBlockBytes);
}

TEST_F(LogFilesTest, SparesOfAnEarlierLifeAreNotUsedAgain) {
  const std::string remains = content(segments_[0]);
  put("spare.0", remains);
  put("spare.1", remains);
  ASSERT_TRUE(harness_.start());
  const std::string names[] = {"spare.0", "spare.1"};
  for (const std::string& name : names) {
    EXPECT_FALSE(*files_.exists(std::string(kDirectory) + "/" + name));
  }
  const std::string newest = content(segments().back());
  EXPECT_EQ(newest.find_first_not_of('\0', kSegmentHeaderBytes + 2 * kBlockBytes),
            std::string::npos);
}

TEST_F(LogFilesTest, NamesThatNoSegmentHasAreLeftAlone) {
  for (const std::string name :
       {"seg.00000000.0000000000000000.log", "seg.ffffffff.0000000000000000.log",
        "seg.00000003.0000000000000008.log", "seg.00000003.fffffffffffff000.log"}) {
    put(name, "not ours");
  }
  expect_all_delivered();
  EXPECT_FALSE(*files_.exists(std::string(kDirectory) + "/corrupt"));
  EXPECT_EQ(content("seg.ffffffff.0000000000000000.log"), "not ours");
}

}  // namespace
}  // namespace millrace::buffer
