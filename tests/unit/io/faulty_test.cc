// SPDX-License-Identifier: Apache-2.0
#include "io/faulty.h"

#include <gtest/gtest.h>

#include "io/simulated.h"

namespace millrace::io {
namespace {

TEST(Faulty, WithoutARuleItChangesNothing) {
  SimulatedFileSystem below;
  FaultyFileSystem files(below);
  auto file = files.open("/d/a", OpenMode::kCreate);
  ASSERT_TRUE(file && (*file)->pwrite("text", 0) && (*file)->fdatasync());
  ASSERT_TRUE(files.rename("/d/a", "/d/b") && files.sync_directory("/d"));
  EXPECT_EQ(*read_whole(below, "/d/b", 100), "text");
  EXPECT_EQ(files.failed(), 0U);
}

TEST(Faulty, TheNthCallFailsOnceOrForEver) {
  SimulatedFileSystem below;
  FaultyFileSystem files(below);
  auto file = files.open("/d/a", OpenMode::kCreate);
  for (const uint64_t times : {uint64_t{1}, uint64_t{2}, kForEver}) {
    files.set(Fault{.call = Call::kSync, .nth = 2, .errno_value = ENOSPC, .times = times});
    std::string outcomes;
    for (int i = 0; i < 5; ++i) {
      const auto synced = (*file)->fdatasync();
      outcomes += synced ? "+" : "-";
      if (!synced) {
        EXPECT_EQ(synced.error().errno_value, ENOSPC);
      }
    }
    EXPECT_EQ(outcomes, times == 1 ? "+-+++" : times == 2 ? "+--++" : "+----");
    EXPECT_EQ(files.failed(), times == kForEver ? 4U : times);
  }
}

TEST(Faulty, ARuleFitsItsPaths) {
  SimulatedFileSystem below;
  FaultyFileSystem files(below);
  files.set(
      Fault{.call = Call::kOpen, .path_glob = "*/seg.*", .errno_value = EMFILE, .times = kForEver});
  EXPECT_TRUE(files.open("/d/a", OpenMode::kCreate));
  EXPECT_EQ(files.open("/d/seg.1", OpenMode::kCreate).error().errno_value, EMFILE);
  files.set(Fault{.call = Call::kRename, .path_glob = "*/seg.*"});
  EXPECT_FALSE(files.rename("/d/a", "/d/seg.1"));
  EXPECT_TRUE(files.rename("/d/a", "/d/seg.1"));
}

TEST(Faulty, ABadSectorIsInOnePlace) {
  SimulatedFileSystem below;
  FaultyFileSystem files(below);
  auto file = files.open("/d/a", OpenMode::kCreate);
  ASSERT_TRUE((*file)->pwrite(std::string(3000, 'a'), 0));
  files.set(Fault{.call = Call::kRead, .times = kForEver, .from_offset = 1000, .to_offset = 2000});
  char out[3000];
  EXPECT_TRUE((*file)->pread(out, 1000, 0));
  EXPECT_FALSE((*file)->pread(out, 1001, 0));
  EXPECT_FALSE((*file)->pread(out, 1, 1999));
  EXPECT_TRUE((*file)->pread(out, 1000, 2000));
}

TEST(Faulty, AWriteMayHaveBegunAndACallMayHaveBeenDone) {
  SimulatedFileSystem below;
  FaultyFileSystem files(below);
  auto file = files.open("/d/a", OpenMode::kCreate);
  files.set(Fault{.call = Call::kWrite, .bytes_first = 3});
  EXPECT_FALSE((*file)->pwrite("abcdef", 0));
  EXPECT_EQ(*read_whole(below, "/d/a", 100), "abc");
  files.set(Fault{.call = Call::kUnlink, .done_all_the_same = true});
  EXPECT_FALSE(files.unlink("/d/a"));
  EXPECT_FALSE(*below.exists("/d/a"));
}

TEST(Faulty, ASecondSyncAfterAFailedOneIsNoticed) {
  SimulatedFileSystem below;
  FaultyFileSystem files(below);
  auto file = files.open("/d/a", OpenMode::kCreate);
  files.set(Fault{.call = Call::kSync});
  EXPECT_FALSE((*file)->fsync());
  EXPECT_EQ(files.syncs_after_failure(), 0U);
  EXPECT_TRUE((*file)->fdatasync());
  EXPECT_EQ(files.syncs_after_failure(), 1U);
}

}  // namespace
}  // namespace millrace::io
