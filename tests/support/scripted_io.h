// SPDX-License-Identifier: Apache-2.0
#pragma once

// A clock and randomness that a test sets, over the real file system in a directory of its own.
// One thread unless said otherwise; the clock's values are atomic, the randomness has a mutex.

#include <atomic>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>

#include "base/check.h"
#include "io/real.h"

namespace millrace::testing {

class ScriptedClock : public io::Clock {
 public:
  uint64_t running_ms() override { return running; }
  uint64_t wall_us() override { return wall; }

  std::atomic<uint64_t> running{1'000'000};
  std::atomic<uint64_t> wall{1'700'000'000'000'000};
};

/// The values given, then a counter scrambled by a fixed multiplier.
class ScriptedRandom : public io::Random {
 public:
  uint64_t next() override {
    const std::lock_guard lock(mutex_);
    if (values.empty()) {
      counter_ += 0x9e3779b97f4a7c15U;
      return counter_ ^ (counter_ >> 29);
    }
    const uint64_t value = values.front();
    values.pop_front();
    return value;
  }

  std::deque<uint64_t> values;  // before anybody asks

 private:
  std::mutex mutex_;
  uint64_t counter_ = 1;
};

/// A directory that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "millrace-test-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace millrace::testing
