// SPDX-License-Identifier: Apache-2.0
// What somebody took away from a log between two lives is told and counted, each in one line.

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
constexpr size_t kLargeBytes = 900'000;

class MissingSegmentsTest : public ::testing::Test {
 protected:
  MissingSegmentsTest() { harness_.profile.chunk_bytes_max = 1 << 20; }

  // One life: each record is a request, a commit and a chunk of its own.
  void live(const std::vector<std::string>& records) {
    ASSERT_TRUE(harness_.start());
    for (const std::string& record : records) {
      harness_.append({record});
      harness_.log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness_.commit());
    }
    harness_.log().tend();
    harness_.stop();
  }
  void live_and_roll(int commits) {
    live(std::vector<std::string>(static_cast<size_t>(commits), std::string(kLargeBytes, 'r')));
  }
  void deliver(size_t chunks) {
    ASSERT_TRUE(harness_.start());
    for (size_t i = 0; i < chunks; ++i) {
      harness_.finish(*harness_.take());
    }
    harness_.log().tend();
  }

  std::vector<std::string> segments() {
    std::vector<std::string> names;
    const auto entries = files_.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) names.push_back(entry.name);
    }
    return names;
  }
  static std::string path(const std::string& name) { return std::string(kDirectory) + "/" + name; }
  void remove(const std::string& name) { ASSERT_TRUE(files_.unlink(path(name))); }
  void cut(const std::string& name, uint64_t bytes) {
    ASSERT_TRUE((*files_.open(path(name), io::OpenMode::kReadWrite))->truncate(bytes));
  }
  uint64_t size(const std::string& name) {
    return io::read_whole(files_, path(name), kFileBytesMax)->size();
  }
  uint64_t missing() { return harness_.registry.total(Metric::kMissingSegments); }

  // Starts, and returns what it wrote to stderr.
  std::string start() {
    ::testing::internal::CaptureStderr();
    const bool started = harness_.start().has_value();
    std::string lines = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(started);
    return lines;
  }
  static bool tells(const std::string& lines, const std::string& text) {
    return lines.find(text) != std::string::npos;
  }
  // The damage was told once; the log works, and the start after this one has nothing to tell.
  void expect_good_from_here() {
    harness_.drain();
    harness_.append({"later;"});
    ASSERT_TRUE(harness_.commit());
    harness_.log().tend();
    harness_.stop();
    const uint64_t told = missing();
    const std::string lines = start();
    EXPECT_EQ(missing(), told) << lines;
    EXPECT_FALSE(tells(lines, "ERROR") || tells(lines, "error")) << lines;
    EXPECT_EQ(harness_.drain(), "later;");
  }

  MemoryFileSystem files_;
  LogHarness harness_{files_, kDirectory};
};

TEST_F(MissingSegmentsTest, TheFirst) {
  live({"a;", "x;"});
  live({"b;"});
  ASSERT_EQ(segments().size(), 2U);
  remove(segments()[0]);
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "a segment is missing; its frames are lost")) << lines;
  EXPECT_TRUE(tells(lines, "from_lsn=0 ")) << lines;
  EXPECT_EQ(harness_.drain(), "x;b;");
  expect_good_from_here();
}

TEST_F(MissingSegmentsTest, TheFirstThatWasNotRemovedOnPurpose) {
  live_and_roll(10);
  deliver(5);  // the first segment goes
  harness_.stop();
  ASSERT_EQ(harness_.registry.total(Metric::kSegmentsRemoved), 1U);
  live({"z;"});
  EXPECT_EQ(missing(), 0U);
  remove(segments()[0]);
  start();
  EXPECT_EQ(missing(), 1U);
}

TEST_F(MissingSegmentsTest, TheNewestOfTheLastLife) {
  live({"a;", "x;"});
  live({"b;"});
  ASSERT_EQ(segments().size(), 2U);
  remove(segments().back());
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "the newest segment is missing; its frames are lost")) << lines;
  EXPECT_EQ(harness_.drain(), "a;");
  expect_good_from_here();
}

TEST_F(MissingSegmentsTest, TheNewestOfALifeThatRolled) {
  live_and_roll(6);
  ASSERT_EQ(segments().size(), 2U);
  remove(segments().back());
  const auto entries = files_.list(kDirectory);
  for (const io::DirectoryEntry& entry : *entries) {
    if (is_side_file_name(entry.name)) remove(entry.name);
  }
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "the newest segment is shorter than it was made")) << lines;
  expect_good_from_here();
}

// Then no file is shorter than it was made; that the one before it was left tells enough.
TEST_F(MissingSegmentsTest, TheNewestBehindOneThatIsFullToItsLastByte) {
  live_and_roll(6);
  ASSERT_EQ(segments().size(), 2U);
  remove(segments().back());
  std::string text = *io::read_whole(files_, path(segments().back()), kFileBytesMax);
  text.resize(kFirstSegmentBytes);
  files_.put(path(segments().back()), text);
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "the newest segment is missing; its frames are lost")) << lines;
  expect_good_from_here();
}

TEST_F(MissingSegmentsTest, All) {
  live_and_roll(10);
  deliver(5);
  harness_.stop();
  const std::vector<std::string> names = segments();
  for (const std::string& name : names) {
    remove(name);
  }
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "all segments are missing; their frames are lost")) << lines;
  EXPECT_EQ(harness_.drain(), "");
  expect_good_from_here();
}

// The newest segment is gone, and the one before it was full to its last byte: no file is shorter
// than it was made.
TEST_F(MissingSegmentsTest, ANewestThatOnlyALineTellsOf) {
  live({});
  std::string text = *io::read_whole(files_, path("chunks.pos"), kFileBytesMax);
  PositionHeader header;
  ASSERT_TRUE(decode(text, header));
  const std::string line =
      encode(PositionLine{.kind = 'C', .chunk_seq = (uint64_t{1} << kEpochShift) | 7},
             LogCrc::of(header.uuid));
  text.replace(kPositionHeaderBytes, line.size(), line);
  files_.put(path("chunks.pos"), text);
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "the position file tells of chunks that no segment holds")) << lines;
  expect_good_from_here();
}

TEST_F(MissingSegmentsTest, TheEndOfTheNewest) {
  live({"a;", "b;"});
  const std::string newest = segments().back();
  const uint64_t whole = size(newest);
  cut(newest, kSegmentHeaderBytes + 2 * kBlockBytes);
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "acked frames behind its end may be lost")) << lines;
  EXPECT_TRUE(tells(lines, "missing_bytes=" + std::to_string(whole - 3 * kBlockBytes))) << lines;
  EXPECT_EQ(harness_.drain(), "a;");
  expect_good_from_here();
}

TEST_F(MissingSegmentsTest, AllOfTheNewest) {
  live({"a;"});
  cut(segments().back(), 0);
  const std::string lines = start();
  EXPECT_EQ(missing(), 1U);
  EXPECT_TRUE(tells(lines, "nothing in a segment can be read; its frames are lost")) << lines;
  EXPECT_TRUE(tells(lines, "the newest segment is shorter than it was made")) << lines;
}

TEST_F(MissingSegmentsTest, ASegmentOfNoise) {
  live({"a;", "x;"});
  live({"b;"});
  ASSERT_EQ(segments().size(), 2U);
  for (const std::string& name : segments()) {
    SCOPED_TRACE(name);
    const uint64_t bytes = size(name);
    const uint64_t corrupt = harness_.registry.total(Metric::kCorruptBytes);
    const uint64_t torn = harness_.registry.total(Metric::kTornBytes);
    const std::string before = *io::read_whole(files_, path(name), kFileBytesMax);
    files_.put(path(name), std::string(bytes, '\xa7'));
    const std::string lines = start();
    EXPECT_TRUE(tells(lines, "nothing in a segment can be read; its frames are lost")) << lines;
    EXPECT_TRUE(tells(lines, "unreadable_bytes=" + std::to_string(bytes))) << lines;
    EXPECT_EQ(harness_.registry.total(Metric::kCorruptBytes), corrupt + bytes);
    EXPECT_EQ(harness_.registry.total(Metric::kTornBytes), torn);
    harness_.stop();
    remove(segments().back());  // of this start
    files_.put(path(name), before);
  }
}

TEST_F(MissingSegmentsTest, ZerosInsteadOfTheNewest) {
  live({"a;"});
  const uint64_t bytes = size(segments().back());
  files_.put(path(segments().back()), std::string(bytes, '\0'));
  const std::string lines = start();
  EXPECT_TRUE(tells(lines, "unreadable_bytes=" + std::to_string(bytes))) << lines;
  EXPECT_GT(harness_.registry.total(Metric::kCorruptBytes), 0U);
}

// It got its name with its first commit, so there was one.
TEST_F(MissingSegmentsTest, ZerosBehindTheHeaderOfTheNewest) {
  live({"a;"});
  std::string bytes = *io::read_whole(files_, path(segments().back()), kFileBytesMax);
  std::fill(bytes.begin() + kSegmentHeaderBytes, bytes.end(), '\0');
  files_.put(path(segments().back()), bytes);
  const std::string lines = start();
  EXPECT_TRUE(tells(lines, "nothing in a segment can be read; its frames are lost")) << lines;
  EXPECT_EQ(harness_.registry.total(Metric::kCorruptBytes), kBlockBytes);
  EXPECT_EQ(harness_.registry.total(Metric::kTornBytes), 0U);
}

// One of an earlier life, as a backup may bring it back: it does not know what was removed since.
TEST_F(MissingSegmentsTest, T22AnOlderPositionFileCostsRepeatsAndLosesNothing) {
  live_and_roll(10);
  deliver(2);
  harness_.stop();
  const std::string older = *io::read_whole(files_, path("chunks.pos"), kFileBytesMax);
  live({"z;"});
  deliver(5);
  harness_.stop();
  ASSERT_GT(harness_.registry.total(Metric::kSegmentsRemoved), 0U);
  files_.put(path("chunks.pos"), older);
  const std::string lines = start();
  EXPECT_TRUE(tells(lines, "a segment is missing; its frames are lost")) << lines;
  const std::string again = harness_.drain();
  EXPECT_NE(again.find("z;"), std::string::npos);
  EXPECT_GE(again.size(), 3 * kLargeBytes + 2) << "all that was not delivered";
  EXPECT_LE(again.size(), 8 * kLargeBytes + 2) << "what the older one knows does not come again";
}

// The segments say whose log it is.
TEST_F(MissingSegmentsTest, T22APositionFileOfAnotherLogIsNotBelieved) {
  live({"a;", "b;"});
  MemoryFileSystem others;
  LogHarness other(others, kDirectory);
  other.random.values = {1, 2, 3, 4, 5, 6, 7, 8};  // another uuid
  for (int lives = 0; lives < 5; ++lives) {
    ASSERT_TRUE(other.start());
    other.stop();
  }
  files_.put(path("chunks.pos"), *io::read_whole(others, path("chunks.pos"), kFileBytesMax));
  const std::string lines = start();
  EXPECT_TRUE(tells(lines, "the position file is that of another log; its lines are not used"))
      << lines;
  EXPECT_FALSE(tells(lines, "corrupt/")) << lines;
  EXPECT_EQ(missing(), 0U) << lines;
  EXPECT_EQ(harness_.drain(), "a;b;");
  harness_.stop();
  EXPECT_FALSE(tells(start(), "another log"));
}

TEST_F(MissingSegmentsTest, ThePositionFile) {
  live({"a;", "b;"});
  deliver(1);
  harness_.stop();
  const std::string whole = *io::read_whole(files_, path("chunks.pos"), kFileBytesMax);
  const auto lines_with = [&](const std::string* bytes) {
    if (bytes == nullptr) {
      remove("chunks.pos");
    } else {
      files_.put(path("chunks.pos"), *bytes);
    }
    const std::string lines = start();
    EXPECT_EQ(missing(), 0U) << lines;
    harness_.stop();
    return lines;
  };
  const std::string nothing;
  const std::string blank(whole.size(), '\0');
  const std::string half = whole.substr(0, whole.size() / 2);
  EXPECT_FALSE(tells(lines_with(&whole), "chunks.pos"));
  EXPECT_TRUE(tells(lines_with(nullptr), "the position file is missing or empty"));
  EXPECT_TRUE(tells(lines_with(&nothing), "the position file is missing or empty"));
  EXPECT_TRUE(tells(lines_with(&blank), "the position file is missing or empty"));
  EXPECT_TRUE(tells(lines_with(&half), "the position file was cut short"));
  ASSERT_TRUE(harness_.start());
  EXPECT_EQ(harness_.drain(), "b;");
}

}  // namespace
}  // namespace millrace::buffer
