// SPDX-License-Identifier: Apache-2.0
// System calls that transfer less than they were asked for, or are interrupted: below the seam they
// are gone on with. This file defines pread, pwritev, fallocate and getrandom for the whole
// executable, and hands them on to the kernel with the counts that a test wants.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <vector>

#include "io/real.h"
#include "tests/support/scripted_io.h"

namespace {

size_t transfer_max = SIZE_MAX;  // bytes of one call
int interruptions = 0;           // calls that end with the errno first, before each transfer
int interruption_errno = EINTR;
int left = 0;

bool is_interrupted() {
  if (left > 0) {
    --left;
    errno = interruption_errno;
    return true;
  }
  left = interruptions;
  return false;
}

}  // namespace

extern "C" ssize_t pread(int fd, void* out, size_t size, off_t offset) {
  if (is_interrupted()) return -1;
  return ::syscall(SYS_pread64, fd, out, std::min(size, transfer_max), offset);
}

extern "C" ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  if (is_interrupted()) return -1;
  std::vector<iovec> some;
  size_t room = transfer_max;
  for (int i = 0; i < count && room > 0; ++i) {
    some.push_back(iovec{parts[i].iov_base, std::min(parts[i].iov_len, room)});
    room -= some.back().iov_len;
  }
  return ::syscall(SYS_pwritev, fd, some.data(), some.size(), offset, 0);
}

extern "C" int fallocate(int fd, int mode, off_t offset, off_t size) {
  if (is_interrupted()) return -1;
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, size));
}

extern "C" ssize_t getrandom(void* out, size_t size, unsigned int flags) {
  if (is_interrupted()) return -1;
  return ::syscall(SYS_getrandom, out, std::min(size, transfer_max), flags);
}

namespace millrace::io {
namespace {

class ShortTransfers : public ::testing::Test {
 protected:
  ~ShortTransfers() override {
    transfer_max = SIZE_MAX;
    interruptions = left = 0;
  }

  // Writes `text` in parts, reads it back, and expects what a whole transfer gives.
  void round_trip(const std::string& text) {
    const std::string path = directory_.path() + "/file" + std::to_string(++number_);
    auto file = files_.open(path, OpenMode::kCreate);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE((*file)->allocate(text.size() + 8));
    std::vector<iovec> parts;
    for (size_t at = 0, size = 0; at < text.size(); at += size) {
      size = std::min<size_t>(1 + at % 7 * 5, text.size() - at);
      parts.push_back(iovec{const_cast<char*>(text.data()) + at, size});
      if (at % 3 == 0) parts.push_back(iovec{nullptr, 0});
    }
    ASSERT_TRUE((*file)->pwritev(parts, 8));
    std::string back(text.size() + 100, 'x');
    const auto got = (*file)->pread(back.data(), back.size(), 8);
    ASSERT_TRUE(got.has_value());
    back.resize(*got);
    ASSERT_EQ(back, text);
    ASSERT_EQ(*(*file)->size(), text.size() + 8);
    ASSERT_TRUE(files_.unlink(path));
  }

  testing::TemporaryDirectory directory_;
  RealFileSystem files_;
  int number_ = 0;
};

TEST_F(ShortTransfers, T07EveryLengthGivesTheSameBytes) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>('a' + i % 26);
  uint64_t cases = 0;
  for (const size_t size : {1U, 2U, 63U, 64U, 299U, 300U}) {
    for (transfer_max = 1; transfer_max <= size; ++transfer_max) {
      round_trip(text.substr(0, size));
      if (HasFatalFailure()) FAIL() << size << " bytes, " << transfer_max << " at a time";
      ++cases;
    }
  }
  std::printf("short transfers %lu\n", cases);
}

TEST_F(ShortTransfers, F1InterruptionsAreGoneOnWith) {
  for (const int value : {EINTR, EAGAIN}) {
    interruption_errno = value;
    for (interruptions = 0; interruptions < 4; ++interruptions) {
      left = interruptions;
      transfer_max = 17;
      round_trip(std::string(200, 't'));
    }
  }
}

// T30: early after a boot a signal interrupts the wait for randomness, and some of it may be had.
TEST_F(ShortTransfers, T30RandomNumbersAreWholeHoweverTheyCome) {
  RealRandom random;
  interruption_errno = EINTR;
  std::set<uint64_t> numbers;
  uint64_t bits = 0;
  for (transfer_max = 1; transfer_max <= sizeof(uint64_t); ++transfer_max) {
    for (interruptions = 0; interruptions < 4; ++interruptions) {
      left = interruptions;
      for (int i = 0; i < 200; ++i) {
        const uint64_t number = random.next();
        numbers.insert(number);
        bits |= number;
      }
    }
  }
  EXPECT_EQ(numbers.size(), 8U * 4 * 200);
  EXPECT_EQ(bits, UINT64_MAX);
}

}  // namespace
}  // namespace millrace::io
