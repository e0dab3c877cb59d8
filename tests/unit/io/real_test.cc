// SPDX-License-Identifier: Apache-2.0
// A directory's listing is whole or fails: of what is left out a start would say that it is
// missing, or begin anew. And what is no file is not opened. This file defines fstatat for the
// whole executable.

#include "io/real.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "tests/support/scripted_io.h"

namespace {

int failing_errno = 0;  // of the file "failing"

}  // namespace

extern "C" int fstatat(int fd, const char* path, struct stat* out, int flags) noexcept {
  if (failing_errno != 0 && std::string_view(path) == "failing") {
    errno = failing_errno;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_newfstatat, fd, path, out, flags));
}

namespace millrace::io {
namespace {

TEST(Listing, IsWholeOrFails) {
  const testing::TemporaryDirectory directory;
  RealFileSystem files;
  for (const char* name : {"/a", "/failing", "/z"}) {
    ASSERT_TRUE(files.open(directory.path() + name, OpenMode::kCreate).has_value());
  }
  const auto whole = files.list(directory.path());
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->size(), 3U);
  for (const int value : {EIO, ENOMEM, EACCES}) {
    failing_errno = value;
    const auto listed = files.list(directory.path());
    ASSERT_FALSE(listed.has_value());
    EXPECT_EQ(listed.error().errno_value, value);
  }
  failing_errno = ENOENT;  // it has gone since its name was read
  const auto listed = files.list(directory.path());
  failing_errno = 0;
  ASSERT_TRUE(listed.has_value());
  ASSERT_EQ(listed->size(), 2U);
  EXPECT_EQ(listed->at(0).name, "a");
  EXPECT_EQ(listed->at(1).name, "z");
}

// Who opens a pipe waits for its other end.
TEST(RealFile, OnlyRegularFilesAreOpened) {
  const testing::TemporaryDirectory directory;
  RealFileSystem files;
  const std::string pipe = directory.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, directory.path()}) {
    const auto opened = files.open(path, OpenMode::kRead);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().message, path + ": not a regular file");
  }
}

}  // namespace
}  // namespace millrace::io
