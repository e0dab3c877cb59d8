// SPDX-License-Identifier: Apache-2.0
// Dead letters beside chunks that are to be delivered: nothing is sent that could be requeued
// afterwards, and no record goes that the log has lost.

#include "buffer/left_letters.h"

#include <gtest/gtest.h>

#include "buffer/dead_letter_files.h"
#include "buffer/dead_letters.h"
#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using testing::LogHarness;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";

class LeftLettersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(harness.start());
    for (const char* record : {"first;", "second;"}) {
      harness.append({record});
      ASSERT_TRUE(harness.commit());
    }
    seal();
  }
  void seal() {
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
  }
  /// Somebody was killed between the files of the queued chunk and its line.
  void leave_letter() {
    const auto taken = harness.take();
    ASSERT_TRUE(taken);
    ASSERT_TRUE(write_dead_letter(files, kDirectory, taken->chunk, taken->loaded));
    path = dead_letter_path(kDirectory, taken->chunk.id);
    harness.stop();
  }
  /// The frame of the second record does not hold any more.
  void damage() { spoil("second;", "Second;"); }
  void spoil(std::string_view text, std::string_view other) {
    const auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.name.ends_with(".log")) continue;
      const std::string name = std::string(kDirectory) + "/" + entry.name;
      const size_t at = io::read_whole(files, name, 1 << 30)->find(text);
      if (at == std::string::npos) continue;
      auto file = files.open(name, io::OpenMode::kReadWrite);
      ASSERT_TRUE((*file)->pwrite(other, at));
    }
  }
  size_t letters() { return list_dead_letters(files, kDirectory)->size(); }
  std::string letter_bytes() { return io::read_whole(files, path, 1 << 20).value_or("none"); }

  io::SimulatedFileSystem files;
  io::FaultyFileSystem faulty{files};
  LogHarness harness{faulty, kDirectory};
  std::string path;
};

TEST_F(LeftLettersTest, OneWithTheBytesOfItsChunkGoesBeforeThat) {
  leave_letter();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(letters(), 1U) << "a start reads none of them";
  const auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.bytes, "HEADfirst;second;");
  EXPECT_EQ(letters(), 0U);
}

TEST_F(LeftLettersTest, OneOfADamagedChunkGoesIfItHasTheSame) {
  harness.stop();
  damage();
  ASSERT_TRUE(harness.start());
  leave_letter();
  ASSERT_TRUE(harness.start());
  const auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.bytes, "HEADfirst;");
  EXPECT_EQ(letters(), 0U);
}

TEST_F(LeftLettersTest, OneWithMoreThanTheLogIsTheChunk) {
  leave_letter();
  damage();
  ASSERT_TRUE(harness.start());
  EXPECT_FALSE(harness.take()) << "what is left of it is not sent";
  EXPECT_EQ(harness.log().queue().held(), 0U);
  EXPECT_EQ(letter_bytes(), "HEADfirst;second;");
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_FALSE(harness.take());
}

// Who wrote it was killed before it was durable; or the disk does not give it just now.
TEST_F(LeftLettersTest, OneThatMayHaveMoreIsWaitedFor) {
  leave_letter();
  damage();
  for (const char* call :
       {"sync *.chunk", "sync *.json", "sync */dead", "read *.chunk", "read *.json"}) {
    const std::string_view what(call);
    const io::Call kind = what.starts_with("read")  ? io::Call::kRead
                          : what.ends_with("/dead") ? io::Call::kSyncDirectory
                                                    : io::Call::kSync;
    faulty.set(io::Fault{.call = kind, .path_glob = std::string(what.substr(5))});
    ASSERT_TRUE(harness.start());
    EXPECT_FALSE(harness.take());
    ASSERT_EQ(harness.log().queue().held(), 1U) << call;
    LogHarness::Taken taken{.chunk = *harness.log().queue().take(), .loaded = {}};
    harness.load(taken);
    faulty.set(io::Fault{.call = kind, .path_glob = std::string(what.substr(5))});
    EXPECT_FALSE(write_dead_letter(faulty, kDirectory, taken.chunk, taken.loaded)) << call;
    EXPECT_EQ(letter_bytes(), "HEADfirst;second;");
    harness.stop();
  }
  faulty.set({});
  ASSERT_TRUE(harness.start());
  EXPECT_FALSE(harness.take());
  EXPECT_EQ(harness.log().queue().held(), 0U);
}

// Each has lost what the other has.
TEST_F(LeftLettersTest, OneThatLacksSomethingKeepsNothingBackAndIsNotWrittenOver) {
  harness.stop();
  damage();
  ASSERT_TRUE(harness.start());
  leave_letter();  // HEADfirst;
  spoil("first;", "first!");
  ASSERT_TRUE(harness.start());
  LogHarness::Taken taken{.chunk = *harness.log().queue().take(), .loaded = {}};
  harness.load(taken);
  ASSERT_EQ(taken.loaded.records, 0U);
  EXPECT_TRUE(harness.log().left_letters().settle(taken.chunk, taken.loaded).value());
  EXPECT_EQ(letter_bytes(), "HEADfirst;");
  EXPECT_TRUE(write_dead_letter(files, kDirectory, taken.chunk, taken.loaded).value());
  EXPECT_EQ(letter_bytes(), "HEAD");
  EXPECT_EQ(*io::read_whole(files, path + ".before", 1 << 20), "HEADfirst;");
}

TEST_F(LeftLettersTest, ADescriptionAloneGoesToo) {
  leave_letter();
  ASSERT_TRUE(files.unlink(path));
  ASSERT_TRUE(harness.start());
  EXPECT_TRUE(harness.take());
  EXPECT_EQ(letters(), 0U);
}

TEST_F(LeftLettersTest, OneThatIsDamagedItselfKeepsNothingBack) {
  leave_letter();
  damage();
  auto file = files.open(path, io::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->pwrite("F", 4));
  ASSERT_TRUE(harness.start());
  const auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.bytes, "HEADfirst;");
  EXPECT_EQ(letter_bytes(), "HEADFirst;second;") << "both are kept";
}

// It was given up, and the disk lost a record of it before it was given up again.
TEST_F(LeftLettersTest, OneWithMoreIsNotWrittenAgain) {
  leave_letter();
  damage();
  ASSERT_TRUE(harness.start());
  LogHarness::Taken taken{.chunk = *harness.log().queue().take(), .loaded = {}};
  harness.load(taken);
  ASSERT_TRUE(taken.loaded.damaged);
  EXPECT_FALSE(write_dead_letter(files, kDirectory, taken.chunk, taken.loaded).value());
  EXPECT_EQ(letter_bytes(), "HEADfirst;second;");
}

TEST_F(LeftLettersTest, ADirectoryThatCannotBeListedHidesNone) {
  leave_letter();
  faulty.set(io::Fault{.call = io::Call::kList, .path_glob = "*/dead", .nth = 1});
  ASSERT_TRUE(harness.start());
  faulty.set({});
  EXPECT_TRUE(harness.take());
  EXPECT_EQ(letters(), 0U);
}

TEST_F(LeftLettersTest, OneThatCannotBeRemovedGoesWithTheNextAttempt) {
  leave_letter();
  faulty.set(io::Fault{.call = io::Call::kUnlink, .path_glob = "*/dead/*", .nth = 1});
  ASSERT_TRUE(harness.start());
  auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(letters(), 1U);
  harness.log().queue().give_back(std::move(taken->chunk));
  EXPECT_TRUE(harness.take());
  EXPECT_EQ(letters(), 0U);
}

// The chunk is in the tail that a start writes again when there is space.
TEST_F(LeftLettersTest, OneOfAChunkThatWaitsForSpaceGoes) {
  leave_letter();
  const auto entries = files.list(kDirectory);
  for (const io::DirectoryEntry& entry : *entries) {
    if (is_spare_name(entry.name)) files.unlink(std::string(kDirectory) + "/" + entry.name);
  }
  files.set_capacity(UINT64_MAX - *files.free_bytes("/"));
  ASSERT_TRUE(harness.start());
  EXPECT_TRUE(harness.log().starting());
  EXPECT_FALSE(harness.take());
  files.set_capacity(UINT64_MAX);
  ASSERT_TRUE(harness.commit_patiently());
  EXPECT_TRUE(harness.take());
  EXPECT_EQ(letters(), 0U);
}

}  // namespace
}  // namespace millrace::buffer
