// SPDX-License-Identifier: Apache-2.0
// A message that is sent again after its chunk was delivered, its segment removed and the process
// started again: the side file of the segment knows it.

#include <gtest/gtest.h>

#include <optional>

#include "buffer/side_file.h"
#include "io/lossy.h"
#include "tests/support/ingest_harness.h"

namespace millrace::ingest {
namespace {

using input::Verdict;
using metrics::Metric;

constexpr const char* kFluentdId = "AAAAAAAAAAAAAAAAAAAAAA==\n";

class RepeatsAfterRestart : public ::testing::Test {
 protected:
  RepeatsAfterRestart() : harness(files, "/root", testing::local_match()) {
    EXPECT_TRUE(harness.start());
  }

  /// A message, then enough behind it that its segment is left, all delivered.
  void store_and_deliver() {
    EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
    harness.commit();
    const std::string first = segment_names().front();
    for (int i = 0; segment_names().front() == first; ++i) {
      ASSERT_LT(i, 100);
      harness.receive("app.a", testing::packed_entry(1, 0, {{"m", std::string(900'000, 'x')}}));
      harness.seal(buffer::SealReason::kForced);
      deliver();
      harness.tend();
    }
  }
  void deliver() {
    while (harness.log().queue().counts().due > 0) {
      harness.log().finish(*harness.log().queue().take(), buffer::Finish::kDelivered);
    }
  }
  void restart(bool power_cut) {
    harness.stop();
    if (power_cut) files.cut_power();
    ASSERT_TRUE(harness.start());
  }
  std::vector<std::string> segment_names() {
    return names([](const std::string& name) { return name.ends_with(".log"); });
  }
  std::vector<std::string> side_names() { return names(buffer::is_side_file_name); }
  template <class Wanted>
  std::vector<std::string> names(const Wanted& wanted) {
    std::vector<std::string> found;
    const auto entries = files.list(harness.directory("local"));
    for (const io::DirectoryEntry& entry : *entries) {
      if (wanted(entry.name)) found.push_back(entry.name);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  io::LossyFileSystem files;
  testing::IngestHarness harness;
  const std::string event = testing::packed_entry(1'700'000'000, 0, {{"m", "a"}});
};

TEST_F(RepeatsAfterRestart, AreKnownFromTheSideFile) {
  store_and_deliver();
  for (const bool power_cut : {false, true, true}) {
    restart(power_cut);
    EXPECT_EQ(harness.receive("app.a", event, kFluentdId, "192.0.2.77"), Verdict::kDone);
  }
  EXPECT_EQ(harness.registry.total(Metric::kMissingSegments), 0U);
  EXPECT_EQ(harness.registry.total(Metric::kKeysLost), 0U);
}

TEST_F(RepeatsAfterRestart, UntilTheWindowIsOver) {
  store_and_deliver();
  EXPECT_FALSE(side_names().empty());
  harness.clock.running += harness.dedup_window_ms;
  harness.receive("app.a", testing::packed_entry(2, 0, {{"m", "b"}}));
  harness.commit();
  harness.tend();
  for (const std::string& name : side_names()) {
    EXPECT_EQ(name.substr(0, name.size() - 4), segment_names().front().substr(0, name.size() - 4));
  }
  restart(false);
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
}

// Time that passed while nobody ran does not count, whatever the clock says at boot, and a boot
// starts the running time from nothing.
TEST_F(RepeatsAfterRestart, X2AreKnownAfterAnyTimeAway) {
  constexpr uint64_t kTenYearsUs = 315'576'000'000'000;
  store_and_deliver();
  const std::string in_segment = testing::packed_entry(3, 0, {{"m", "still there"}});
  harness.receive("app.a", in_segment, kFluentdId);
  harness.commit();
  const uint64_t wall = harness.clock.wall;
  for (const uint64_t boot_wall : {wall + kTenYearsUs, wall - kTenYearsUs, wall}) {
    harness.clock.wall = boot_wall;
    harness.clock.running = boot_wall == wall ? 100 * harness.dedup_window_ms : 1000;
    restart(true);
    // Something new, which is when old keys are forgotten.
    harness.receive("app.a", testing::packed_entry(4, 0, {{"m", std::to_string(boot_wall)}}),
                    "new");
    harness.commit();
    EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kDone);
    EXPECT_EQ(harness.receive("app.a", in_segment, kFluentdId), Verdict::kDone);
  }
}

// D1 and F7: cut, with any bit flipped, empty, missing, of another log. A message it knew may be
// stored again; nothing else suffers.
TEST_F(RepeatsAfterRestart, D1F7AnySideFileLetsAStartGoOn) {
  store_and_deliver();
  harness.stop();
  const io::DiskState disk = files.state();
  const std::string name = side_names().front();
  const std::string path = harness.directory("local") + "/" + name;
  const std::string bytes = *io::read_whole(files, path, 1 << 20);
  buffer::SideFile foreign;
  ASSERT_TRUE(decode(bytes, foreign));
  foreign.uuid = "that of another.";
  std::vector<std::optional<std::string>> variants = {bytes, std::nullopt, "", encode(foreign),
                                                      bytes + bytes};
  for (size_t size = 1; size < bytes.size(); size += 23) variants.push_back(bytes.substr(0, size));
  for (size_t bit = 0; bit < bytes.size() * 8; bit += bit < 64 * 8 ? 23 : 211) {
    variants.emplace_back(bytes);
    char& byte = (*variants.back())[bit / 8];
    byte = static_cast<char>(byte ^ (1 << bit % 8));
  }
  ::testing::internal::CaptureStderr();
  for (size_t i = 0; i < variants.size() && !HasFailure(); ++i) {
    SCOPED_TRACE("variant " + std::to_string(i));
    files.set(disk);
    ASSERT_TRUE(files.unlink(path));
    if (variants[i]) files.put(path, *variants[i]);
    ASSERT_TRUE(harness.start());
    EXPECT_EQ(harness.log().queue().counts().queued, 0U);
    const Verdict verdict = harness.receive("app.a", event, kFluentdId);
    EXPECT_EQ(verdict, i == 0 ? Verdict::kDone : Verdict::kTaken);
    harness.commit();
    harness.stop();
  }
  (void)::testing::internal::GetCapturedStderr();
  EXPECT_EQ(harness.registry.total(Metric::kCorruptBytes), 0U);
  EXPECT_EQ(harness.registry.total(Metric::kMissingSegments), 0U);
  std::printf("side files at a start %zu\n", variants.size());
}

TEST_F(RepeatsAfterRestart, ADamagedSideFileCostsItsKeysOnly) {
  store_and_deliver();
  for (const std::string& name : side_names()) {
    auto file = files.open(harness.directory("local") + "/" + name, io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->pwrite("X", 60));
  }
  restart(false);
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  harness.commit();
}

// The segment goes all the same; the loss is counted.
TEST_F(RepeatsAfterRestart, ASideFileThatCannotBeWrittenIsCounted) {
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  harness.commit();
  const std::string first = segment_names().front();
  ASSERT_TRUE(files.make_directories(harness.directory("local") + "/." +
                                     first.substr(0, first.size() - 4) + ".idx.tmp"));
  for (int i = 0; segment_names().front() == first; ++i) {
    ASSERT_LT(i, 100);
    harness.receive("app.a", testing::packed_entry(1, 0, {{"m", std::string(900'000, 'x')}}));
    harness.seal(buffer::SealReason::kForced);
    deliver();
    harness.tend();
  }
  EXPECT_EQ(harness.registry.total(Metric::kKeysLost, "local"), 1U);
}

}  // namespace
}  // namespace millrace::ingest
