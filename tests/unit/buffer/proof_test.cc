// SPDX-License-Identifier: Apache-2.0
// Damage to the last commit looks like a torn write unless a PAD behind it says that it was
// durable. So what a start or a tool writes has one at once.

#include <gtest/gtest.h>

#include "buffer/dead_letters.h"
#include "buffer/stopped_log.h"
#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";

class Proof : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(harness.start());
    for (const char* record : {"first;", "second;", "third;"}) {
      harness.append({record});
    }
    ASSERT_TRUE(harness.commit());
    harness.stop();
  }
  /// In the newest segment; false if it is not there.
  bool spoil(std::string_view text) {
    const auto entries = files.list(kDirectory);
    std::string newest;
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) newest = std::max(newest, entry.name);
    }
    const std::string name = std::string(kDirectory) + "/" + newest;
    const size_t at = io::read_whole(files, name, 1 << 30)->find(text);
    if (at == std::string::npos) return false;
    auto file = files.open(name, io::OpenMode::kReadWrite);
    return (*file)->pwrite("S", at).has_value();
  }
  uint64_t total(Metric metric) { return harness.registry.total(metric); }

  io::SimulatedFileSystem files;
  io::FaultyFileSystem faulty{files};
  LogHarness harness{faulty, kDirectory};
};

TEST_F(Proof, WithoutAnyTheLastCommitIsTorn) {
  ASSERT_TRUE(spoil("second;"));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "first;");
  EXPECT_GT(total(Metric::kTornBytes), 0U);
}

TEST_F(Proof, WhatAStartWritesHasIt) {
  ASSERT_TRUE(harness.start());
  harness.stop();
  ASSERT_TRUE(spoil("second;"));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "first;third;");
  EXPECT_EQ(total(Metric::kTornBytes), 0U);
}

TEST_F(Proof, WhatAToolWritesHasIt) {
  ASSERT_TRUE(StoppedLog::open(harness.io(), kDirectory));
  ASSERT_TRUE(spoil("second;"));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "first;third;");
  EXPECT_EQ(total(Metric::kTornBytes), 0U);
}

// Its block was reserved, which some file systems take lightly.
TEST_F(Proof, ADiskWithoutRoomForItHoldsUpNothing) {
  faulty.set(io::Fault{.call = io::Call::kWrite, .path_glob = "*/spare.*", .nth = io::kForEver});
  ASSERT_TRUE(harness.start());
  const uint64_t writes = faulty.seen();
  harness.append({"fourth;"});
  ASSERT_TRUE(harness.commit());
  harness.stop();
  faulty.set(io::Fault{
      .call = io::Call::kWrite, .path_glob = "*/spare.*", .nth = writes, .errno_value = ENOSPC});
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(faulty.failed(), 1U);
  EXPECT_FALSE(harness.log().starting());
  EXPECT_TRUE(harness.log().wants_pad(0));
  harness.log().appender().put_pad();
  ASSERT_TRUE(harness.commit());
  EXPECT_FALSE(harness.log().wants_pad(0));
  harness.stop();
  ASSERT_TRUE(spoil("fourth;"));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "first;second;third;");
  EXPECT_EQ(total(Metric::kTornBytes), 0U);
}

TEST_F(Proof, AnyCommitWantsOne) {
  ASSERT_TRUE(harness.start());
  EXPECT_FALSE(harness.log().wants_pad(0));
  harness.append({"fourth;"});
  EXPECT_FALSE(harness.log().wants_pad(0));
  ASSERT_TRUE(harness.commit());
  EXPECT_FALSE(harness.log().wants_pad(1000));
  EXPECT_TRUE(harness.log().wants_pad(0));
  harness.clock.running += 1000;
  EXPECT_TRUE(harness.log().wants_pad(1000));
  harness.log().appender().put_pad();
  EXPECT_FALSE(harness.log().wants_pad(0));
  ASSERT_TRUE(harness.commit());
  EXPECT_FALSE(harness.log().wants_pad(0));
}

}  // namespace
}  // namespace millrace::buffer
