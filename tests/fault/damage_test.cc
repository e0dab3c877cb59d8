// SPDX-License-Identifier: Apache-2.0
// One damage in a log that is whole otherwise. The bit flips and the cuts are the short form of
// fault_damage: a stride over the same cases, with every place that is special.

#include "tests/fault/damage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "buffer/layout.h"
#include "buffer/position_line.h"
#include "tests/support/sanitized.h"

namespace millrace::fault {
namespace {

constexpr uint64_t kSlower = testing::unless_sanitized(1, 20);

class Damage : public ::testing::Test {
 protected:
  Damage() { log::configure(log::Level::kError, log::Format::kText); }
  ~Damage() override { log::configure(log::Level::kInfo, log::Format::kText); }

  // Errors are what these tests are about: nobody wants to read them.
  void SetUp() override { ::testing::internal::CaptureStderr(); }
  void TearDown() override { (void)::testing::internal::GetCapturedStderr(); }
};

// Every bit of a group's head and of the frame heads behind it, and of all else one in `stride`.
bool is_special(const GoldenLog& golden, uint64_t offset) {
  for (const GoldenLog::Group& group : golden.groups()) {
    if (offset >= group.begin && offset < group.begin + buffer::kGroupHeaderBytes) return true;
    for (const GoldenLog::Frame& frame : group.frames) {
      if (offset >= frame.begin && offset < frame.begin + buffer::kFrameHeaderBytes) return true;
    }
    if (offset < group.commit_end) return false;
  }
  return false;
}

TEST_F(Damage, D1AFlippedBitOfASegmentCostsAtMostItsFrame) {
  const GoldenLog golden({.bytes = 64 << 10});
  uint64_t cases = 0;
  for (uint64_t bit = 0; bit < golden.segment_end() * 8; ++bit) {
    const uint64_t stride = is_special(golden, bit / 8) ? 41 : 311;
    if (bit % (stride * kSlower) != 0) continue;
    ASSERT_EQ(check_segment_flip(golden, bit), "") << "bit " << bit;
    ++cases;
  }
  std::printf("bit flips %lu\n", cases);
}

TEST_F(Damage, D1D3AFlippedBitOfThePositionFileCostsAtMostARepeat) {
  const GoldenLog golden({.bytes = 256 << 10});
  ASSERT_GT(golden.position_end(), buffer::kPositionHeaderBytes + 2 * buffer::kPositionLineBytes);
  uint64_t cases = 0;
  for (uint64_t bit = 0; bit < golden.position_end() * 8; bit += 37 * kSlower) {
    ASSERT_EQ(check_position_flip(golden, bit), "") << "bit " << bit;
    ++cases;
  }
  std::printf("bit flips of the position file %lu\n", cases);
}

TEST_F(Damage, D2AZeroedBlockIsCounted) {
  for (const uint32_t record_bytes : {600U, 30U}) {  // and with a request a block
    const GoldenLog golden({.seed = record_bytes, .bytes = 64 << 10, .record_bytes = record_bytes});
    for (uint64_t at = 0; at < golden.segment_end(); at += buffer::kBlockBytes) {
      ASSERT_EQ(check_zeroed_block(golden, at), "") << "block at " << at;
    }
  }
}

TEST_F(Damage, D3ABadSegmentHeaderCostsNothing) {
  const GoldenLog golden({.bytes = 64 << 10});
  for (uint64_t bit = 0; bit < buffer::kSegmentHeaderBytes * 8;
       bit += bit < 80 * 8 ? kSlower : 997 * kSlower) {
    const Recovered result = golden.recover(golden.with_flip(golden.segment(), bit));
    // A version that is not known is no damage: the start says so, and nothing is touched.
    const bool version = bit / 8 >= 10 && bit / 8 < 12;
    if (version && !result.complaint.empty()) continue;
    ASSERT_EQ(result.complaint, "") << "bit " << bit;
    ASSERT_TRUE(result.lost.empty()) << "bit " << bit;
  }
  const std::string zeros(buffer::kSegmentHeaderBytes, '\0');
  const Recovered none = golden.recover(golden.with_bytes(golden.segment(), 0, zeros));
  EXPECT_EQ(none.complaint, "");
  EXPECT_TRUE(none.lost.empty());
  EXPECT_TRUE(none.told());
}

TEST_F(Damage, D4ABitOfTheCommitBeforeTheLastIsCorruptionAndTheLastIsKept) {
  const GoldenLog golden({.bytes = 64 << 10, .ends_with_pad = false});
  const auto last =
      std::find_if(golden.groups().begin(), golden.groups().end(),
                   [&](const auto& g) { return g.commit_end == golden.segment_end(); });
  const uint64_t last_begin = last->begin;
  for (uint64_t bit = (last_begin - buffer::kBlockBytes) * 8; bit < last_begin * 8;
       bit += 31 * kSlower) {
    const Recovered result = golden.recover(golden.with_flip(golden.segment(), bit));
    ASSERT_EQ(check_segment_flip(golden, bit), "") << "bit " << bit;
    ASSERT_EQ(result.torn_bytes, 0U) << "bit " << bit;
  }
}

TEST_F(Damage, D1RandomDamageCostsWhatItHits) {
  for (uint64_t log = 1; log <= 3; ++log) {
    const GoldenLog golden({.seed = log, .bytes = 128 << 10});
    for (uint64_t seed = 1; seed <= 400 / kSlower; ++seed) {
      ASSERT_EQ(check_random_damage(golden, seed), "") << "log " << log << " seed " << seed;
    }
  }
}

TEST_F(Damage, D5AChunkWithoutOpenOrSealOrBoth) {
  const GoldenLog golden({.bytes = 64 << 10, .delivers = false});
  std::set<uint64_t> sealed;
  for (const auto& group : golden.groups()) {
    for (const auto& frame : group.frames) {
      if (frame.kind == buffer::FrameKind::kSeal) sealed.insert(frame.chunk_seq);
    }
  }
  ASSERT_GT(sealed.size(), 3U);
  for (const uint64_t seq : sealed) {
    EXPECT_EQ(check_lost_ends(golden, seq, true, false), "") << seq;
    EXPECT_EQ(check_lost_ends(golden, seq, false, true), "") << seq;
    EXPECT_EQ(check_lost_ends(golden, seq, true, true), "") << seq;
  }
}

TEST_F(Damage, D7AForgedGroupInAPayloadIsNeverBelieved) {
  // What looks like a group but was not made for this log: its CRCs are of another uuid.
  const GoldenLog golden({.bytes = 64 << 10});
  const GoldenLog other({.seed = 2, .bytes = 64 << 10});
  std::string forged(4096, '\0');
  const auto& disk = other.disk();
  ASSERT_EQ(disk.cache(*disk.find(other.segment())).read(forged.data(), forged.size(), 4096),
            4096U);
  for (uint64_t at = 4096; at + forged.size() < golden.segment_end(); at += 4096 * kSlower) {
    const Recovered result = golden.recover(golden.with_bytes(golden.segment(), at, forged));
    ASSERT_EQ(result.complaint, "") << "at " << at;
    ASSERT_TRUE(result.told()) << "at " << at;
  }
}

TEST_F(Damage, K7ACutLogKeepsEveryGroupBeforeTheCut) {
  const GoldenLog golden({.bytes = 128 << 10, .ends_with_pad = false, .delivers = false});
  uint64_t cases = 0;
  for (const Behind behind : {Behind::kNothing, Behind::kZeros, Behind::kGarbage}) {
    for (uint64_t at = 0; at <= golden.segment_end(); ++at) {
      if (at % ((is_special(golden, at) ? 61 : 613) * kSlower) != 0) continue;
      ASSERT_EQ(check_cut(golden, at, behind), "")
          << "at " << at << ", behind " << static_cast<int>(behind);
      ++cases;
    }
  }
  std::printf("cuts %lu\n", cases);
}

TEST_F(Damage, F7ALostOrStrangePositionFileCostsRepeatsOnly) {
  const GoldenLog golden({.bytes = 64 << 10});
  const GoldenLog other({.seed = 3, .bytes = 64 << 10});
  uint64_t cases = 0;
  const auto nothing_lost = [&](const io::DiskState& disk) {
    const Recovered result = golden.recover(disk);
    EXPECT_EQ(result.complaint, "");
    EXPECT_TRUE(result.lost.empty());
    ++cases;
  };
  const std::string path = golden.position();
  nothing_lost(golden.without(path));
  nothing_lost(golden.with_size(path, 0));
  nothing_lost(golden.with_bytes(path, 0, std::string(buffer::kPositionHeaderBytes, ' ')));
  for (uint64_t at = 0; at <= golden.position_end(); at += 13 * kSlower) {
    nothing_lost(golden.with_size(path, at));
    if (HasFailure()) FAIL() << path << " cut at " << at;
  }
  // Lines of another log: none of them holds here.
  std::string lines(other.position_end() - buffer::kPositionHeaderBytes, '\0');
  const auto& disk = other.disk();
  disk.cache(*disk.find(other.position()))
      .read(lines.data(), lines.size(), buffer::kPositionHeaderBytes);
  nothing_lost(golden.with_bytes(golden.position(), buffer::kPositionHeaderBytes, lines));
  std::printf("position files %lu\n", cases);
}

}  // namespace
}  // namespace millrace::fault
