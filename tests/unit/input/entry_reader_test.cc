// SPDX-License-Identifier: Apache-2.0
#include "input/forward/entry_reader.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "base/msgpack_token.h"
#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;

constexpr EventTime kNow{1'800'000'000, 42};
const std::string kT = hex("ce 65 53 f1 00");
const std::string kA1 = hex("81 a1 61 01");

struct Walk {
  std::vector<EventTime> times;
  std::vector<std::string> records;
  EntryCounts counts;
  bool malformed = false;
};

// Walks as a formatter does: it passes the end of each record back.
Walk walk(std::string_view entries, Shape shape = Shape::kEntries) {
  Walk out;
  EntryReader reader(entries, shape, kNow);
  Entry entry;
  while (reader.next(entry)) {
    const char* p = entry.record;
    switch (msgpack_token::skip(p, reader.end())) {
      case msgpack_token::Status::kOk:
        out.times.push_back(entry.time);
        out.records.emplace_back(entry.record, p);
        reader.advance(p);
        break;
      case msgpack_token::Status::kTruncated:
        reader.record_truncated();
        break;
      case msgpack_token::Status::kMalformed:
        reader.record_malformed();
        break;
    }
  }
  out.counts = reader.counts();
  out.malformed = reader.malformed();
  return out;
}

// The time of one entry, which must be the same in all the ways to write it.
EventTime one_time(const std::string& time) {
  std::vector<Walk> walks;
  for (const std::string& form : {hex("92") + time + kA1, hex("92 92") + time + hex("80") + kA1,
                                  hex("dc 00 02 dd 00 00 00 02") + time + hex("81 01 02") + kA1}) {
    walks.push_back(walk(form));
  }
  walks.push_back(walk(time + kA1, Shape::kPair));
  for (const Walk& one : walks) {
    EXPECT_EQ(one.records, std::vector<std::string>{kA1});
    EXPECT_EQ(one.times, walks[0].times);
  }
  return walks[0].times.empty() ? EventTime{} : walks[0].times[0];
}

TEST(EntryReader, TimesOfEveryKind) {
  EXPECT_EQ(one_time(hex("d7 00 65 53 f1 00 07 5b cd 15")), (EventTime{1700000000, 123456789}));
  EXPECT_EQ(one_time(hex("c7 08 00 65 53 f1 00 07 5b cd 15")), (EventTime{1700000000, 123456789}));
  EXPECT_EQ(one_time(kT), (EventTime{1700000000, 0}));
  EXPECT_EQ(one_time(hex("d2 65 53 f1 00")), (EventTime{1700000000, 0}));
  EXPECT_EQ(one_time(hex("cf 00 00 00 00 65 53 f1 00")), (EventTime{1700000000, 0}));
  EXPECT_EQ(one_time(hex("05")), (EventTime{5, 0}));
  EXPECT_EQ(one_time(hex("ff")), (EventTime{-1, 0}));
  EXPECT_EQ(one_time(hex("d7 00 ff ff ff ff 00 00 00 01")), (EventTime{4294967295, 1}));
  EXPECT_EQ(one_time(hex("d7 00 ff ff ff fd 00 00 00 00")), (EventTime{4294967293, 0}));
}

TEST(EntryReader, FloatTimesAreRounded) {
  const auto float64 = [](double value) {
    return hex("cb") + test::be32(static_cast<uint32_t>(std::bit_cast<uint64_t>(value) >> 32)) +
           test::be32(static_cast<uint32_t>(std::bit_cast<uint64_t>(value)));
  };
  EXPECT_EQ(one_time(float64(1700000000.5)), (EventTime{1700000000, 500'000'000}));
  EXPECT_EQ(one_time(hex("cb 41 d9 54 fc 40 20 00 00")), (EventTime{1700000000, 500'000'000}));
  EXPECT_EQ(one_time(float64(1.9999999999)), (EventTime{2, 0}));
  EXPECT_EQ(one_time(hex("ca 3f c0 00 00")), (EventTime{1, 500'000'000}));
  EXPECT_EQ(one_time(float64(0.5)), kNow);
  for (const double bad : {-1.0, -1e300, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(walk(hex("92") + float64(bad) + kA1).counts.invalid_time, 1u);
  }
  for (const auto& [odd, seconds] : {std::pair{1e15, int64_t{1'000'000'000'000'000}},
                                     {1e16, 10'000'000'000'000'000},
                                     {0x1.fffffffffffffp62, 0x7ffffffffffffc00},
                                     {0x1p63, INT64_MAX},
                                     {1e300, INT64_MAX}}) {
    const Walk result = walk(hex("92") + float64(odd) + kA1);
    ASSERT_EQ(result.times.size(), 1u);
    EXPECT_EQ(result.times[0], (EventTime{seconds, 0}));
    EXPECT_EQ(result.counts.odd_times, 1u);
  }
}

TEST(EntryReader, NanosecondsOverASecondAreCarried) {
  EXPECT_EQ(one_time(hex("d7 00 65 53 f1 00 3b 9a ca 00")), (EventTime{1700000001, 0}));
  EXPECT_EQ(one_time(hex("d7 00 65 53 f1 00 ff ff ff ff")), (EventTime{1700000004, 294967295}));
}

TEST(EntryReader, ZeroIsNow) {
  EXPECT_EQ(one_time(hex("00")), kNow);
  EXPECT_EQ(one_time(hex("d7 00 00 00 00 00 00 00 00 07")), kNow);
  EXPECT_EQ(one_time(hex("d7 00 00 00 00 00 ff ff ff ff")), kNow);
}

TEST(EntryReader, MillisecondsAreKeptAndCounted) {
  const Walk result = walk(hex("92 cf 00 00 01 8b cf e5 68 00") + kA1);
  ASSERT_EQ(result.times.size(), 1u);
  EXPECT_EQ(result.times[0], (EventTime{1'700'000'000'000, 0}));
  EXPECT_EQ(result.counts.odd_times, 1u);
}

// No count of seconds holds them: the last second there is stands for them.
TEST(EntryReader, TimesThatAreTooLargeAreKeptAndCounted) {
  for (const std::string& time :
       {hex("cf 7f ff ff ff ff ff ff ff"), hex("cf 80 00 00 00 00 00 00 00"),
        hex("cf ff ff ff ff ff ff ff ff")}) {
    const Walk result = walk(hex("92") + time + kA1);
    ASSERT_EQ(result.times.size(), 1u);
    EXPECT_EQ(result.times[0], (EventTime{INT64_MAX, 0}));
    EXPECT_EQ(result.counts.odd_times, 1u);
    EXPECT_EQ(result.counts.invalid_time, 0u);
  }
}

TEST(EntryReader, InvalidTimes) {
  for (const std::string& time :
       {hex("c0"), hex("c3"), hex("a1 31"), hex("80"), hex("d6 00 65 53 f1 00"),
        hex("d7 01 65 53 f1 00 00 00 00 00"), hex("c7 0c 00 65 53 f1 00 00 00 00 00 00 00 00 00"),
        hex("90"), hex("92 91 05 80"), hex("92 c0 80")}) {
    const Walk result = walk(hex("92") + time + kA1 + hex("92") + kT + kA1);
    EXPECT_EQ(result.counts.invalid_time, 1u);
    EXPECT_EQ(result.times.size(), 1u);
  }
}

TEST(EntryReader, ExtraElementsAreIgnored) {
  const Walk result = walk(hex("94") + kT + kA1 + hex("01 92 02 03") + hex("92") + kT + kA1 +
                           hex("92 93") + kT + hex("80 05") + kA1);
  EXPECT_EQ(result.records, (std::vector<std::string>{kA1, kA1, kA1}));
  EXPECT_EQ(result.counts.truncated, 0u);
}

TEST(EntryReader, GroupMarkersArePassedOverInSilence) {
  const std::string start = hex(
      "92 92 d7 00 ff ff ff ff 00 00 00 00 81 a6 73 63 68 65 6d 61 a4 6f 74 6c 70 81 a8 72 65 73 "
      "6f 75 72 63 65 80");
  const std::string end = hex("92 92 d7 00 ff ff ff fe 00 00 00 00 80 80");
  const std::string record = hex("92 92 d7 00 65 53 f1 00 00 00 00 05 80 81 a1 6e 02");
  const Walk result = walk(start + record + end);
  ASSERT_EQ(result.times.size(), 1u);
  EXPECT_EQ(result.times[0], (EventTime{1700000000, 5}));
  EXPECT_EQ(result.counts.not_an_entry + result.counts.invalid_time + result.counts.not_a_map, 0u);
  // Without the header they are dates, and with nanoseconds too.
  EXPECT_EQ(walk(hex("92 d7 00 ff ff ff ff 00 00 00 00 80")).times,
            (std::vector<EventTime>{{4294967295, 0}}));
  EXPECT_EQ(walk(hex("92 92 d7 00 ff ff ff fe 00 00 00 01 80 80")).times,
            (std::vector<EventTime>{{4294967294, 1}}));
}

TEST(EntryReader, BadEntriesAreCountedAndTheOthersKept) {
  const std::string good = hex("92") + kT + kA1;
  const Walk result = walk(good + hex("92") + kT + hex("a1 78") + hex("05") + hex("91") + kT +
                           hex("90") + hex("92 c0 80") + good);
  EXPECT_EQ(result.records, (std::vector<std::string>{kA1, kA1}));
  EXPECT_EQ(result.counts.not_a_map, 1u);
  EXPECT_EQ(result.counts.not_an_entry, 3u);
  EXPECT_EQ(result.counts.invalid_time, 1u);
  EXPECT_FALSE(result.malformed);
}

TEST(EntryReader, NonMapRecordsOfAPair) {
  const Walk result = walk(kT + hex("c0"), Shape::kPair);
  EXPECT_TRUE(result.records.empty());
  EXPECT_EQ(result.counts.not_a_map, 1u);
  EXPECT_EQ(walk(hex("c0") + kA1, Shape::kPair).counts.invalid_time, 1u);
}

TEST(EntryReader, RecordsOfAnyMapWidth) {
  const std::string fix = hex("92 d7 00 65 53 f1 00 00 00 00 05");
  const Walk result = walk(fix + hex("80") + fix + hex("8f") + std::string(30, '\x01') + fix +
                           hex("de 00 01 01 02") + fix + hex("df 00 00 00 01 01 02"));
  EXPECT_EQ(result.records.size(), 4u);
}

// Every cut of good entries keeps those that are whole and counts the rest once.
TEST(EntryReader, TruncatedTailKeepsTheWholeEntries) {
  const std::string entries[] = {
      hex("92") + kT + kA1, hex("92 d7 00 65 53 f1 00 07 5b cd 15 82 a1 61 01 a1 62 a3 78 79 7a"),
      hex("92 92 d7 00 65 53 f1 00 07 5b cd 15 81 a1 6b 92 01 02 81 a1 61 01"),
      hex("93 05 80 a2 78 79")};
  std::string all;
  std::vector<size_t> ends{0};
  for (const std::string& entry : entries) ends.push_back((all += entry).size());
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= cut) ++whole;
    // The last entry's extra element is passed over after its record was handed out.
    const bool within_extra = cut >= ends[3] + 3 && cut < ends[4];
    const std::string bytes = all.substr(0, cut);  // its own memory, so that ASan sees overruns
    const Walk result = walk(bytes);
    EXPECT_EQ(result.records.size(), whole + (within_extra ? 1 : 0)) << cut;
    EXPECT_EQ(result.counts.truncated, cut == ends[whole] ? 0u : 1u) << cut;
    EXPECT_FALSE(result.malformed);
    EXPECT_EQ(result.counts.not_an_entry + result.counts.not_a_map + result.counts.invalid_time, 0u)
        << cut;
  }
}

TEST(EntryReader, TheUnusedByteIsMalformedWhereverItStands) {
  for (const std::string& bad :
       {hex("c1"), hex("92 c1 80"), hex("92") + kT + hex("c1"), hex("92 92") + kT + hex("c1 80"),
        hex("92") + kT + hex("81 a1 61 c1"), hex("93") + kT + kA1 + hex("c1"), hex("91 c1"),
        hex("92 c0 81 01 c1")}) {
    const Walk result = walk(hex("92") + kT + kA1 + bad + hex("92") + kT + kA1);
    EXPECT_TRUE(result.malformed);
    EXPECT_LE(result.records.size(), 2u);
  }
}

TEST(EntryReader, DeclaredCountsAreNotBelieved) {
  const Walk huge = walk(hex("dd ff ff ff ff") + kT + kA1);
  EXPECT_EQ(huge.counts.truncated, 1u);
  const Walk header = walk(hex("92 dd ff ff ff ff") + kT);
  EXPECT_EQ(header.counts.truncated, 1u);
  EXPECT_EQ(walk(hex("92") + kT + hex("df ff ff ff ff")).counts.truncated, 1u);
}

TEST(EntryReader, SkipRecordGoesOn) {
  const std::string entries = hex("93") + kT + kA1 + hex("c0") + hex("92") + kT + kA1;
  EntryReader reader(entries, Shape::kEntries, kNow);
  Entry entry;
  int seen = 0;
  while (reader.next(entry)) {
    ++seen;
    EXPECT_TRUE(reader.skip_record());
  }
  EXPECT_EQ(seen, 2);
  EntryReader cut(std::string_view(entries).substr(0, 8), Shape::kEntries, kNow);
  ASSERT_TRUE(cut.next(entry));
  EXPECT_FALSE(cut.skip_record());
  EXPECT_FALSE(cut.next(entry));
  EXPECT_EQ(cut.counts().truncated, 1u);
}

TEST(EntryReader, NothingHasNoEntries) {
  EXPECT_TRUE(walk("").times.empty());
  EXPECT_TRUE(walk("", Shape::kPair).times.empty());
}

}  // namespace
}  // namespace millrace::input
