// SPDX-License-Identifier: Apache-2.0
#include "io/simulated.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::io {
namespace {

using How = Survival::How;

constexpr const char* kPath = "/d/file";

std::string text_of(SimulatedFileSystem& files, const std::string& path = kPath) {
  const auto text = read_whole(files, path, 1 << 20);
  return text ? *text : "(none)";
}

std::unique_ptr<File> open(SimulatedFileSystem& files, OpenMode mode = OpenMode::kCreate,
                           const std::string& path = kPath) {
  auto file = files.open(path, mode);
  EXPECT_TRUE(file.has_value());
  return std::move(*file);
}

TEST(Simulated, WhatWasSyncedSurvivesUnderItsSyncedName) {
  SimulatedFileSystem files;
  auto file = open(files);
  ASSERT_TRUE(file->pwrite("synced", 0));
  ASSERT_TRUE(file->fdatasync());
  ASSERT_TRUE(files.sync_directory("/d"));
  ASSERT_TRUE(file->pwrite("SYNCED, not", 0));
  EXPECT_EQ(text_of(files), "SYNCED, not");
  file.reset();
  files.cut_power();
  EXPECT_EQ(text_of(files), "synced");
}

TEST(Simulated, AFileWhoseNameWasNotSyncedIsGone) {
  SimulatedFileSystem files;
  auto file = open(files);
  ASSERT_TRUE(file->pwrite("synced", 0));
  ASSERT_TRUE(file->fdatasync());
  file.reset();
  files.cut_power();
  EXPECT_EQ(text_of(files), "(none)");
}

TEST(Simulated, RenamesAndUnlinksAreUndoneUntilTheDirectoryIsSynced) {
  SimulatedFileSystem files;
  files.put("/d/a", "a");
  files.put("/d/b", "b");
  ASSERT_TRUE(files.rename("/d/a", "/d/c"));
  ASSERT_TRUE(files.unlink("/d/b"));
  const DiskState between = files.state();
  EXPECT_EQ(between.change_count(), 2U);
  files.cut_power();
  EXPECT_EQ(text_of(files, "/d/a"), "a");
  EXPECT_EQ(text_of(files, "/d/b"), "b");
  EXPECT_EQ(text_of(files, "/d/c"), "(none)");
  // The later change without the earlier one.
  files.set(between.after_power_cut({Survival{}, Survival{.how = How::kWhole}}));
  EXPECT_EQ(text_of(files, "/d/a"), "a");
  EXPECT_EQ(text_of(files, "/d/b"), "(none)");
  files.set(between);
  ASSERT_TRUE(files.sync_directory("/d"));
  files.cut_power();
  EXPECT_EQ(text_of(files, "/d/c"), "a");
  EXPECT_EQ(text_of(files, "/d/b"), "(none)");
}

TEST(Simulated, AFailedSyncLeavesPagesCleanThatNoLaterSyncWrites) {
  SimulatedFileSystem files;
  files.put(kPath, std::string(10'000, 'o'));
  auto file = open(files, OpenMode::kReadWrite);
  ASSERT_TRUE(file->pwrite(std::string(10'000, 'n'), 0));
  files.fail_syncs(1);
  EXPECT_FALSE(file->fdatasync());
  EXPECT_TRUE(file->fdatasync());  // and lies
  ASSERT_TRUE(file->pwrite("dirty again", 5000));
  ASSERT_TRUE(file->fdatasync());
  const DiskState disk = files.state();
  file.reset();
  files.cut_power();
  const std::string left = text_of(files);
  EXPECT_EQ(left.substr(0, 4096), std::string(4096, 'o'));
  EXPECT_EQ(left.substr(4096, 915), std::string(904, 'n') + "dirty again");
  EXPECT_EQ(left.substr(8192), std::string(1808, 'o'));
  // They may be on disk all the same.
  std::vector<Survival> all(disk.change_count(), Survival{.how = How::kWhole});
  files.set(disk.after_power_cut(all));
  EXPECT_EQ(text_of(files).substr(0, 4096), std::string(4096, 'n'));
}

TEST(Simulated, WhatWasCutOffDoesNotComeBack) {
  SimulatedFileSystem files;
  files.put(kPath, std::string(4096, 'o'));
  auto file = open(files, OpenMode::kReadWrite);
  ASSERT_TRUE(file->pwrite(std::string(8192, 'n'), 4096));
  files.fail_syncs(1);
  EXPECT_FALSE(file->fdatasync());
  ASSERT_TRUE(file->truncate(4096));
  ASSERT_TRUE(file->fsync());
  EXPECT_EQ(files.state().change_count(), 0U);
}

TEST(Simulated, AWriteIsTornAtSectors) {
  SimulatedFileSystem files;
  files.put(kPath, std::string(2048, 'o'));
  auto file = open(files, OpenMode::kReadWrite);
  ASSERT_TRUE(file->pwrite(std::string(1500, 'n'), 100));
  const DiskState disk = files.state();
  ASSERT_EQ(disk.changes().size(), 1U);
  EXPECT_EQ(disk.changes()[0].sectors, 4U);
  const auto left = [&](Survival survival) {
    SimulatedFileSystem other(disk.after_power_cut({survival}));
    return text_of(other);
  };
  EXPECT_EQ(left({.how = How::kFirst, .sectors = 1}),
            std::string(100, 'o') + std::string(412, 'n') + std::string(1536, 'o'));
  EXPECT_EQ(left({.how = How::kLast, .sectors = 1}),
            std::string(1536, 'o') + std::string(64, 'n') + std::string(448, 'o'));
  std::set<std::string> scattered;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    scattered.insert(left({.how = How::kScattered, .seed = seed}));
  }
  EXPECT_GT(scattered.size(), 8U);
  EXPECT_LE(scattered.size(), 16U);
}

TEST(Simulated, ASizeIsAChangeOfItsOwn) {
  SimulatedFileSystem files;
  files.put(kPath, "0123456789");
  auto file = open(files, OpenMode::kReadWrite);
  ASSERT_TRUE(file->truncate(4));
  ASSERT_TRUE(file->allocate(8));
  EXPECT_EQ(text_of(files), std::string("0123\0\0\0\0", 8));
  const DiskState disk = files.state();
  files.set(disk.after_power_cut({Survival{}, Survival{.how = How::kWhole}}));
  EXPECT_EQ(text_of(files), "01234567");
}

TEST(Simulated, AKillKeepsEverythingAndAPowerCutMayFollow) {
  SimulatedFileSystem files;
  files.put(kPath, "old");
  auto file = open(files, OpenMode::kReadWrite);
  ASSERT_TRUE(file->pwrite("new", 0));
  file.reset();
  files.set(files.state().after_kill());
  EXPECT_EQ(text_of(files), "new");
  files.cut_power();
  EXPECT_EQ(text_of(files), "old");
}

TEST(Simulated, EqualDisksHaveEqualHashes) {
  const auto disk = [](const char* content, bool synced) {
    SimulatedFileSystem files;
    auto file = open(files);
    EXPECT_TRUE(file->pwrite(content, 0) && files.sync_directory("/d"));
    EXPECT_TRUE(!synced || file->fdatasync());
    return files.state().hash();
  };
  EXPECT_EQ(disk("same", true), disk("same", true));
  EXPECT_NE(disk("same", true), disk("else", true));
  EXPECT_NE(disk("same", true), disk("same", false));
}

TEST(Simulated, TheWatcherSeesEachChangeBeforeItHappens) {
  SimulatedFileSystem files;
  std::vector<std::string> seen;
  files.watch([&](const DiskOperation& operation) {
    seen.push_back(operation.text());
    EXPECT_EQ(files.state().find("/d/sub/x") != nullptr, seen.size() > 2);
  });
  ASSERT_TRUE(files.make_directories("/d/sub"));
  auto file = open(files, OpenMode::kCreate, "/d/sub/x");
  ASSERT_TRUE(file->pwrite("12345", 7) && file->fsync());
  ASSERT_TRUE(read_whole(files, "/d/sub/x", 100));
  EXPECT_EQ(seen, (std::vector<std::string>{"mkdir /d/sub", "create /d/sub/x",
                                            "write /d/sub/x [7, +5)", "fsync /d/sub/x"}));
}

TEST(Simulated, SpaceIsWhatAllFilesHave) {
  SimulatedFileSystem files;
  files.set_capacity(10'000);
  files.set_reservation_max("small.", 100);
  auto file = open(files);
  EXPECT_TRUE(file->allocate(10'000));
  EXPECT_EQ(file->allocate(10'001).error().kind, ErrorKind::kNoSpace);
  ASSERT_TRUE(files.unlink(kPath));
  auto other = open(files, OpenMode::kCreate, "/d/small.1");
  EXPECT_TRUE(other->allocate(100));
  EXPECT_EQ(other->allocate(101).error().kind, ErrorKind::kNoSpace);
}

TEST(Simulated, OneSeedGivesTheSameNumbers) {
  SimulatedRandom a(1);
  SimulatedRandom b(1);
  SimulatedRandom c(2);
  const uint64_t first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
  SimulatedClock clock;
  const uint64_t before = clock.wall_us();
  clock.pass(3);
  EXPECT_EQ(clock.wall_us(), before + 3000);
}

}  // namespace
}  // namespace millrace::io
