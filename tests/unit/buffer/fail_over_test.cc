// SPDX-License-Identifier: Apache-2.0
// A disk that fails while the log is written to.

#include <gtest/gtest.h>

#include "io/lossy.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

class FailOver : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(harness.start()); }

  void store(const std::string& record) {
    harness.append({record});
    ASSERT_TRUE(harness.commit());
  }
  void seal() {
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
  }
  void cut_power_and_start() {
    harness.stop();
    files.cut_power();
    ASSERT_TRUE(harness.start());
    for (const Metric alarm : {Metric::kMissingSegments, Metric::kCorruptBytes}) {
      EXPECT_EQ(harness.registry.total(alarm), 0U);
    }
  }

  io::LossyFileSystem files;
  LogHarness harness{files};
};

TEST_F(FailOver, AFailedCommitIsWrittenElsewhere) {
  store("before;");
  const size_t segments = harness.log().segments().count();
  files.fail_syncs(1);
  store("failed;");
  EXPECT_EQ(harness.registry.total(Metric::kCommitFailures), 1U);
  EXPECT_EQ(harness.registry.total(Metric::kFailOvers), 1U);
  EXPECT_EQ(harness.log().segments().count(), segments + 1);
  EXPECT_TRUE(harness.log().status().degraded);
  EXPECT_EQ(harness.log().room(10), Room::kYes);
  store("after;");
  cut_power_and_start();
  EXPECT_EQ(harness.drain(), "before;failed;after;");
}

TEST_F(FailOver, OneAfterTheOther) {
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    if (i % 3 != 0) files.fail_syncs(1);
    expected += std::to_string(i) + ";";
    store(std::to_string(i) + ";");
  }
  EXPECT_GE(harness.registry.total(Metric::kFailOvers), 1U);  // others hit housekeeping's syncs
  cut_power_and_start();
  EXPECT_EQ(harness.drain(), expected);
}

TEST_F(FailOver, InARoll) {
  std::string expected;
  harness.profile.chunk_bytes_max = 16 << 20;
  while (harness.registry.total(Metric::kRolls) < 3) {
    const std::string record(700'000, static_cast<char>('a' + expected.size() % 26));
    expected += record;
    // Syncs of housekeeping may be hit as well.
    if (expected.size() / 700'000 % 4 == 0) files.fail_syncs(1);
    harness.append({record});
    ASSERT_TRUE(harness.commit_patiently());
  }
  EXPECT_GE(harness.registry.total(Metric::kFailOvers), 1U);
  cut_power_and_start();
  EXPECT_TRUE(harness.drain() == expected);
}

TEST_F(FailOver, ARefusingLogDeliversAndComesBack) {
  store("durable;");
  seal();
  files.fail_syncs(1000);
  harness.append({"refused;"});
  EXPECT_FALSE(harness.commit());
  EXPECT_EQ(harness.log().room(10), Room::kRefusing);
  EXPECT_TRUE(harness.log().status().refusing);
  harness.log().tend();
  EXPECT_EQ(harness.registry.total(Metric::kRefusingLogs), 1U);
  EXPECT_EQ(harness.registry.total(Metric::kDegradedLogs), 1U);
  EXPECT_GT(harness.log().stuck_bytes(), 0U);
  EXPECT_EQ(harness.drain(), "durable;");
  harness.clock.running += LogWriter::kProbeEveryMs;
  EXPECT_FALSE(harness.commit());
  files.fail_syncs(0);
  EXPECT_FALSE(harness.commit());  // the next probe is not due
  harness.clock.running += LogWriter::kProbeEveryMs;
  EXPECT_TRUE(harness.commit());
  EXPECT_EQ(harness.log().room(10), Room::kYes);
  EXPECT_EQ(harness.log().stuck_bytes(), 0U);
  store("after;");
  cut_power_and_start();
  EXPECT_EQ(harness.drain(), "refused;after;");
  harness.clock.running += 600'000;
  EXPECT_FALSE(harness.log().status().degraded);
}

TEST_F(FailOver, KilledWhileItRefusesNothingIsInTheWay) {
  store("durable;");
  files.fail_syncs(1000);
  harness.append({"refused;"});
  EXPECT_FALSE(harness.commit());
  files.fail_syncs(0);
  harness.stop();  // a kill: what was written is in the cache
  ASSERT_TRUE(harness.start());
  store("next life;");
  cut_power_and_start();
  const std::string stored = harness.drain();
  EXPECT_TRUE(stored == "durable;next life;" || stored == "durable;refused;next life;") << stored;
}

TEST_F(FailOver, AFullDiskIsProbedEverySecond) {
  store("durable;");
  files.set_capacity(0);
  files.fail_syncs(1);
  harness.append({"refused;"});
  EXPECT_FALSE(harness.commit());
  files.set_capacity(1ULL << 40);
  harness.clock.running += LogWriter::kProbeFullEveryMs;
  EXPECT_TRUE(harness.commit());
}

// All is delivered, and every block it took comes back.
TEST_F(FailOver, ThePositionFileFailsOnAFullDisk) {
  files.set_reservation_max("spare.", 1 << 20);
  while (harness.log().segments().count() < 4) {
    store(std::string(90'000, 'r'));
    seal();
  }
  harness.log().tend();
  files.set_capacity(UINT64_MAX - *files.free_bytes("/"));
  harness.drain();
  files.fail_syncs(1);
  harness.log().tend();
  EXPECT_TRUE(harness.log().status().degraded);
  EXPECT_EQ(harness.log().segments().count(), 4U);
  for (int i = 0; i < 5; ++i, harness.clock.running += 1000) harness.log().tend();
  EXPECT_EQ(harness.log().segments().count(), 1U);
  EXPECT_EQ(harness.log().room(10), Room::kYes);
  cut_power_and_start();
  EXPECT_EQ(harness.drain(), "");
}

TEST_F(FailOver, ThePositionFileFailsAndComesBack) {
  for (int i = 0; i < 3; ++i) {
    store(std::to_string(i) + ";");
    seal();
  }
  files.fail_syncs(3);
  EXPECT_EQ(harness.drain(), "0;1;2;");
  harness.log().tend();
  EXPECT_TRUE(harness.log().status().degraded);
  EXPECT_EQ(harness.log().room(10), Room::kYes);
  for (int i = 0; i < 4; ++i) {
    harness.clock.running += 1000;
    harness.log().tend();
  }
  cut_power_and_start();
  EXPECT_EQ(harness.drain(), "");
}

}  // namespace
}  // namespace millrace::buffer
