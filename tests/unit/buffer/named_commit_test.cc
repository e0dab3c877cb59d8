// SPDX-License-Identifier: Apache-2.0
// A segment gets its name when its first commit is durable, so damage to that commit is told as
// damage, and what holds in it is kept, even if nothing follows that proves it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "buffer/log_view.h"
#include "buffer/segment_file.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr size_t kRecordBytes = 900'000;  // three of them, twice, are more than the first segment

class NamedCommit : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(harness.start());
    commit({"a;", "b;", "c;"});
    harness.append({"early;"});
    ASSERT_TRUE(harness.commit());
    commit({"first;", "second;", "third;"});
    harness.stop();
    const auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) newest = std::max(newest, entry.name);
    }
    const std::string content = read();
    for (const char* name : {"first;", "second;", "third;"}) {
      payloads.push_back(content.find(name));
      ASSERT_NE(payloads.back(), std::string::npos);
      headers.push_back(content.rfind("MRGP", payloads.back()));
    }
    ASSERT_EQ(headers[0], kSegmentHeaderBytes);  // the segment begins with this commit
  }
  void commit(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      harness.append({name + std::string(kRecordBytes - name.size(), '.')}, name);
    }
    ASSERT_TRUE(harness.commit());
  }
  std::string path() const { return std::string(kDirectory) + "/" + newest; }
  std::string read() { return *io::read_whole(files, path(), 1 << 30); }
  void wipe(uint64_t from, uint64_t bytes) {
    auto file = files.open(path(), io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->pwrite(std::string(bytes, '\0'), from));
  }
  // The names of the records that are sent, in order; one that is missing is a minus.
  std::string sent() {
    std::string bodies;
    while (auto taken = harness.take()) {
      bodies += taken->loaded.bytes.substr(taken->loaded.seal.open.head.size());
      bodies.append(taken->loaded.missing_records, '-');
      harness.finish(*taken);
    }
    std::erase(bodies, '.');
    return bodies;
  }
  uint64_t total(Metric metric) { return harness.registry.total(metric); }
  size_t damages() {
    const auto view = LogView::take(files, kDirectory, true);
    EXPECT_TRUE((*view)->check_chunks());
    return (*view)->damages().size();
  }
  // What verify and a start tell. Nothing is taken for torn, and the next start sees the same.
  void expect_damage() {
    EXPECT_GT(damages(), 0U);
    ASSERT_TRUE(harness.start());
    harness.stop();
    ASSERT_TRUE(harness.start());
    EXPECT_EQ(total(Metric::kTornBytes), 0U);
    EXPECT_EQ(total(Metric::kMissingSegments), 0U);
  }

  io::SimulatedFileSystem files;
  LogHarness harness{files, kDirectory};
  std::string newest;
  std::vector<size_t> payloads;  // offsets in the newest segment
  std::vector<size_t> headers;   // of the groups
};

TEST_F(NamedCommit, Whole) {
  EXPECT_EQ(damages(), 0U);
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(sent(), "a;b;c;early;first;second;third;");
  EXPECT_EQ(total(Metric::kCorruptBytes), 0U);
}

TEST_F(NamedCommit, APayload) {
  for (const size_t at : payloads) wipe(at + kRecordBytes / 2, 1);
  expect_damage();
  EXPECT_EQ(sent(), "a;b;c;early;---");
}

TEST_F(NamedCommit, ThePayloadOfTheSecond) {
  wipe(payloads[1] + kRecordBytes / 2, 1);
  expect_damage();
  EXPECT_EQ(sent(), "a;b;c;early;first;-third;");
}

TEST_F(NamedCommit, TheHeadersOfGroups) {
  for (const size_t at : headers) wipe(at, 8);
  expect_damage();
  EXPECT_EQ(sent(), "a;b;c;early;first;second;third;");
  EXPECT_GT(total(Metric::kCorruptBytes), 0U);
}

TEST_F(NamedCommit, TheLastGroup) {
  wipe(headers[2], read().size() - headers[2]);
  expect_damage();
  EXPECT_EQ(sent(), "a;b;c;early;first;second;");
  EXPECT_GT(total(Metric::kCorruptBytes), 0U);
}

TEST_F(NamedCommit, AllOfIt) {
  wipe(headers[0], read().size() - headers[0]);
  expect_damage();
  EXPECT_EQ(sent(), "a;b;c;early;");
  EXPECT_GT(total(Metric::kCorruptBytes), 0U);
}

// What follows it is a commit like any other: nobody knows whether it was acked.
TEST_F(NamedCommit, TheCommitBehindItIsTorn) {
  ASSERT_TRUE(harness.start());
  harness.append({"late;"});
  ASSERT_TRUE(harness.commit());
  harness.stop();
  EXPECT_EQ(damages(), 0U);
}

}  // namespace
}  // namespace millrace::buffer
