// SPDX-License-Identifier: Apache-2.0
// Events whose bytes look like a log: groups and frames that are right in everything but the log's
// uuid, at the very lsn they name. Whatever damage stands before them, they stay an event.

#include <gtest/gtest.h>

#include "tests/support/log_crcs.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;
using testing::MemoryFileSystem;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr const char* kSegment = "/buffer/worker0/out/buffer/seg.00000001.0000000000000000.log";
constexpr uint64_t kForgedBytes = 2 * kBlockBytes;

class ForgedBytes : public ::testing::Test {
 protected:
  // Two commits of another log: a chunk and its SEAL.
  ForgedBytes() {
    MemoryFileSystem files;
    LogHarness other(files, kDirectory);
    other.random.values = {11, 12, 13, 14, 15, 16, 17, 18};  // another uuid
    CHECK(other.start().has_value());
    other.append({"forged;"});
    CHECK(other.commit());
    other.log().appender().seal_all(SealReason::kForced);
    CHECK(other.commit());
    other.stop();
    const std::string bytes = segment(files);
    foreign_ = LogCrc::of(bytes.substr(16, 16));
    // Behind the first commit, which a start makes.
    forged_ = bytes.substr(kSegmentHeaderBytes + kBlockBytes, kForgedBytes);
  }

  static std::string segment(MemoryFileSystem& files) {
    return *io::read_whole(files, kSegment, 64 << 20);
  }

  // A chunk with the forged bytes in the middle of it; where they lie in the file.
  size_t store(MemoryFileSystem& files) {
    LogHarness harness(files, kDirectory);
    CHECK(harness.start().has_value());
    for (const std::string& record : {std::string("before;"), forged_, std::string("after;")}) {
      harness.append({record});
      CHECK(harness.commit());
    }
    harness.stop();
    const size_t at = segment(files).find(forged_);
    CHECK(at != std::string::npos && at % 8 == 0);
    return at;
  }

  // The forged groups name the lsns at which they lie.
  void move_forged_to(size_t at) {
    const uint64_t lsn = at - kSegmentHeaderBytes;
    for (size_t group = 0; group < kForgedBytes; group += kBlockBytes) {
      ASSERT_TRUE(std::string_view(forged_).substr(group).starts_with(kGroupMagic));
      store_le<uint64_t>(forged_.data() + group + 8, lsn + group);
      store_le<uint64_t>(forged_.data() + group + 16, lsn + group);
      testing::forge_group(forged_, group, foreign_);
    }
  }

  std::string forged_;
  LogCrc foreign_;
};

TEST_F(ForgedBytes, D7AnEventThatLooksLikeALogStaysAnEvent) {
  {
    MemoryFileSystem files;
    move_forged_to(store(files));
  }
  MemoryFileSystem files;
  const size_t at = store(files);
  const std::string whole = segment(files);
  const size_t group = whole.rfind(kGroupMagic, at - 1);
  const size_t frame = at - kFrameHeaderBytes;
  struct Damage {
    size_t from, to;
  };
  for (const Damage damage : {Damage{at, at}, Damage{group, group + kGroupHeaderBytes},
                              Damage{frame, at}, Damage{group, at}, Damage{group + 8, frame + 9}}) {
    SCOPED_TRACE(std::to_string(damage.from - group) + " to " + std::to_string(damage.to - group));
    MemoryFileSystem damaged(files.state());
    std::string bytes = whole;
    bytes.replace(damage.from, damage.to - damage.from, damage.to - damage.from, '\0');
    damaged.put(kSegment, bytes);
    LogHarness harness(damaged, kDirectory);
    ASSERT_TRUE(harness.start());
    EXPECT_EQ(harness.log().queue().counts().queued, 1U);
    EXPECT_EQ(harness.log().queue().counts().dead_letters, 0U);
    const std::string bodies = harness.drain();
    const bool lost = damage.from <= frame && damage.to > frame;
    EXPECT_TRUE(bodies == (lost ? "before;after;" : "before;" + forged_ + "after;"));
    EXPECT_EQ(harness.registry.total(Metric::kCorruptBytes) > 0, damage.to > damage.from);
  }
}

// The same, but a copy of what lies in this log: it names other lsns, and its frames are the same
// frames.
TEST_F(ForgedBytes, D7ACopyOfTheLogItselfBringsNothingTwice) {
  MemoryFileSystem files;
  LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  for (const char* record : {"delivered;", "queued;"}) {
    harness.append({record});
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
  }
  harness.finish(*harness.take());
  const std::string copy = segment(files).substr(kSegmentHeaderBytes, 3 * kBlockBytes);
  harness.append({copy});
  ASSERT_TRUE(harness.commit());
  harness.append({"last;"});
  ASSERT_TRUE(harness.commit());
  harness.stop();
  std::string bytes = segment(files);
  const size_t at = bytes.find(copy, kSegmentHeaderBytes + copy.size());
  ASSERT_NE(at, std::string::npos);
  const size_t group = bytes.rfind(kGroupMagic, at - 1);
  bytes.replace(group, at - group, at - group, '\0');
  files.put(kSegment, bytes);
  ASSERT_TRUE(harness.start());
  const std::string bodies = harness.drain();
  EXPECT_EQ(bodies.find("delivered;"), std::string::npos);
  EXPECT_EQ(bodies.find("queued;"), bodies.rfind("queued;"));
  EXPECT_NE(bodies.find("queued;"), std::string::npos);
}

}  // namespace
}  // namespace millrace::buffer
