// SPDX-License-Identifier: Apache-2.0
// Messages that are too large to be laid out at once: all of their entries are stored, once, and
// the ack is the last part's; a record that grows too large costs nobody else anything.

#include <gtest/gtest.h>

#include "io/lossy.h"
#include "tests/support/bytes.h"
#include "tests/support/ingest_harness.h"

namespace millrace::ingest {
namespace {

using input::ConnectionNote;
using input::Verdict;
using metrics::Metric;

constexpr const char* kFluentdId = "AAAAAAAAAAAAAAAAAAAAAA==\n";
constexpr const char* kOtherId = "c0ffee";
constexpr size_t kMiB = 1 << 20;

// Events as they are, without their tag and time.
config::Match bare_match() {
  config::Match match = testing::local_match();
  match.format.inject = false;
  return match;
}

struct Entries {
  std::string bytes;
  uint64_t count = 0;
};

// Different events of about 10 KiB until they are so large.
Entries entries_of(size_t bytes, char text = 'x') {
  Entries entries;
  while (entries.bytes.size() < bytes) {
    entries.bytes += testing::packed_entry(
        1'700'000'000, static_cast<uint32_t>(entries.count++),
        {{"n", std::to_string(entries.count)}, {"t", std::string(10'000, text)}});
  }
  return entries;
}

// [time, {"k": arrays in arrays around a text}], of which nothing is stored.
Entries too_deep(size_t bytes) {
  const std::string one = std::string("\x92\x05\x81\xa1k") + std::string(200, '\x91') +
                          testing::packed_string(std::string(10'000, 'x'));
  Entries entries;
  for (; entries.bytes.size() < bytes; ++entries.count) entries.bytes += one;
  return entries;
}

// [time, a map of so many integers], all different.
std::string many_keys(uint32_t count) {
  std::string out = std::string("\x92\x05\xdf", 3) + test::be32(count);
  for (uint32_t n = 0; n < count; ++n) out += '\xce' + test::be32(n) + '\x01';
  return out;
}

class Parts : public ::testing::Test {
 protected:
  Parts() : harness(files, "/root", bare_match()) { EXPECT_TRUE(harness.start()); }

  // As a connection does it: offered again after each commit.
  Verdict offer(const std::string& entries, const char* chunk, ConnectionNote& of_connection) {
    for (int times = 0; times < 100; ++times) {
      const Verdict verdict = harness.receive("app.a", entries, chunk, "192.0.2.1", &of_connection);
      if (verdict != Verdict::kInParts && verdict != Verdict::kNotNow) return verdict;
      harness.commit();
    }
    return Verdict::kRefused;
  }
  // Until a part is durable; the message is not stored whole then.
  void store_some(const Entries& entries, const char* chunk) {
    while (records() == 0) {
      ASSERT_EQ(harness.receive("app.a", entries.bytes, chunk, "192.0.2.1", &note),
                Verdict::kInParts);
      harness.commit();
    }
    ASSERT_LT(records(), entries.count);
  }
  uint64_t records() const { return harness.registry.total(Metric::kStoredRecords); }
  uint64_t dead(Metric reason) const { return harness.registry.total(reason); }

  io::LossyFileSystem files;
  testing::IngestHarness harness;
  ConnectionNote note;
};

TEST_F(Parts, AMessageLargerThanThePoolIsStoredWholeAndAckedOnce) {
  const Entries entries = entries_of(80 * kMiB);
  EXPECT_EQ(offer(entries.bytes, kFluentdId, note), Verdict::kTaken);
  EXPECT_EQ(harness.stored_count, 0U);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 1U);
  EXPECT_EQ(records(), entries.count);
  EXPECT_EQ(harness.registry.total(Metric::kReceivedEntries), entries.count);
  // The next message of the connection is one as any other.
  EXPECT_EQ(harness.receive("app.a", entries_of(1).bytes, kOtherId, "192.0.2.1", &note),
            Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), entries.count + 1);
  // And the large one is known.
  EXPECT_EQ(harness.receive("app.a", entries.bytes, kFluentdId), Verdict::kDone);
}

TEST_F(Parts, SentAgainItGoesOnWhereItWasBrokenOff) {
  const Entries entries = entries_of(80 * kMiB);
  store_some(entries, kOtherId);
  harness.stop();
  ASSERT_TRUE(harness.start());
  ConnectionNote another;
  EXPECT_EQ(offer(entries.bytes, kOtherId, another), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), entries.count);
}

TEST_F(Parts, OverTwoConnectionsAtOnceItIsStoredOnce) {
  const Entries entries = entries_of(80 * kMiB);
  store_some(entries, kFluentdId);
  ConnectionNote another;
  EXPECT_EQ(offer(entries.bytes, kFluentdId, another), Verdict::kTaken);
  // Each part that the other has under way is waited for; then all is known.
  EXPECT_EQ(offer(entries.bytes, kFluentdId, note), Verdict::kDone);
  EXPECT_EQ(harness.stored_count, 1U);
  EXPECT_EQ(records(), entries.count);
}

// Its client had given the first copy up: the second overtakes it, and is all that is stored.
TEST_F(Parts, OvertakenByACopyItIsStoredOnce) {
  const Entries entries = entries_of(80 * kMiB);
  store_some(entries, kOtherId);
  ConnectionNote another;
  EXPECT_EQ(offer(entries.bytes, kOtherId, another), Verdict::kTaken);
  const uint64_t offset = note.offset;
  const auto receive = [&] {
    return harness.receive("app.a", entries.bytes, kOtherId, "192.0.2.1", &note);
  };
  for (int times = 0; times < 3; ++times) EXPECT_EQ(receive(), Verdict::kInParts);
  EXPECT_EQ(note.offset, offset) << "it waits for the other's commit";
  harness.commit();
  EXPECT_EQ(receive(), Verdict::kDone);
  EXPECT_EQ(harness.stored_count, 1U);
  EXPECT_EQ(records(), entries.count);
  // Its client goes on to the next message, so the same content is new.
  EXPECT_EQ(offer(entries_of(1).bytes, kOtherId, note), Verdict::kTaken);
  EXPECT_EQ(offer(entries.bytes, kOtherId, note), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), 2 * entries.count + 1);
}

TEST_F(Parts, EqualContentAfterTheAckIsNew) {
  const Entries entries = entries_of(20 * kMiB);
  EXPECT_EQ(offer(entries.bytes, kOtherId, note), Verdict::kTaken);
  EXPECT_EQ(offer(entries.bytes, kOtherId, note), Verdict::kTaken);  // nor did it wait for the ack
  harness.commit();
  EXPECT_EQ(offer(entries.bytes, kOtherId, note), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 3U);
  EXPECT_EQ(records(), 3 * entries.count);
}

TEST_F(Parts, EntriesThatGrowTooLargeTogetherAreAllStored) {
  const Entries entries = entries_of(12 * kMiB, '\x01');  // six bytes each as JSON
  EXPECT_EQ(offer(entries.bytes, kFluentdId, note), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), entries.count);
  EXPECT_EQ(dead(Metric::kDeadExpansion), 0U);
}

TEST_F(Parts, ALastPartOfWhichNothingIsStoredWaitsForThoseBefore) {
  const Entries good = entries_of(20 * kMiB);
  const Entries bad = too_deep(20 * kMiB);
  const std::string bytes = good.bytes + bad.bytes;
  const auto receive = [&] {
    return harness.receive("app.a", bytes, kFluentdId, "192.0.2.1", &note);
  };
  while (note.offset < bytes.size()) {
    ASSERT_EQ(receive(), Verdict::kInParts);
    if (note.offset < good.bytes.size()) harness.commit();
  }
  for (int times = 0; times < 3; ++times) EXPECT_EQ(receive(), Verdict::kInParts);
  harness.commit();
  EXPECT_EQ(receive(), Verdict::kDone);
  EXPECT_EQ(records(), good.count);
  EXPECT_EQ(harness.registry.total(Metric::kDiscardedTooDeep), bad.count) << "each of them once";
}

// An id that may be made from the content is known as long as its client has not gone on.
TEST_F(Parts, SentAgainItIsKnownThoughItsLastPartHeldNothing) {
  const Entries good = entries_of(20 * kMiB);
  const std::string bytes = good.bytes + too_deep(20 * kMiB).bytes;
  EXPECT_EQ(offer(bytes, kOtherId, note), Verdict::kDone);
  for (int times = 0; times < 3; ++times) {
    ConnectionNote another;
    EXPECT_EQ(offer(bytes, kOtherId, another), Verdict::kDone);
  }
  EXPECT_EQ(records(), good.count);
  // Its client goes on to the next message, so the same content is new.
  EXPECT_EQ(offer(entries_of(1).bytes, kOtherId, note), Verdict::kTaken);
  EXPECT_EQ(offer(bytes, kOtherId, note), Verdict::kDone);
  EXPECT_EQ(records(), 2 * good.count + 1);
}

// Over another connection, for the ack was lost; then its client goes on, and equal content is new.
TEST_F(Parts, EqualContentIsNewAlsoAfterARepeat) {
  const Entries entries = entries_of(80 * kMiB);
  EXPECT_EQ(offer(entries.bytes, kOtherId, note), Verdict::kTaken);
  harness.commit();
  ConnectionNote another;
  EXPECT_EQ(offer(entries.bytes, kOtherId, another), Verdict::kDone);
  EXPECT_EQ(offer(entries_of(1).bytes, kOtherId, another), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), entries.count + 1);
  EXPECT_EQ(offer(entries.bytes, kOtherId, another), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), 2 * entries.count + 1);
}

// 0.6 MiB would be 2.4 GiB.
TEST(PartsWithTags, AMessageWhoseEventsRepeatALongTagTooOftenIsKeptAsItCame) {
  io::LossyFileSystem files;
  testing::IngestHarness harness(files, "/root", testing::local_match());
  ASSERT_TRUE(harness.start());
  std::string entries;
  for (int n = 0; n < 40'000; ++n) entries += testing::packed_entry(1'700'000'000, 0, {});
  const std::string tag = "app." + std::string(60'000, 't');
  ConnectionNote note;
  const auto receive = [&] {
    return harness.receive(tag, entries, kFluentdId, "192.0.2.1", &note);
  };
  for (int times = 0; times < 10 && receive() != Verdict::kTaken; ++times) harness.commit();
  harness.commit();
  EXPECT_EQ(harness.stored_count, 1U);
  EXPECT_EQ(harness.registry.total(Metric::kStoredRecords), 1U);
  EXPECT_EQ(harness.registry.total(Metric::kReceivedEntries), 40'000U);
  const auto letters = harness.dead("local");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].first, "\x92" + testing::packed_string(tag) + test::bin32(entries));
  EXPECT_EQ(receive(), Verdict::kDone);
}

// Offered again, it must not be taken for the large one that came before it.
TEST(PartsWithTags, AMessageThatFindsNoRoomIsNotTheOneBeforeIt) {
  io::LossyFileSystem files;
  testing::IngestHarness harness(files, "/root", bare_match());
  harness.total_limit = 64 * kMiB;
  ASSERT_TRUE(harness.start());
  ConnectionNote note;
  const auto receive = [&](const std::string& tag, const std::string& entries, const char* chunk,
                           ConnectionNote* of_connection) {
    const auto verdict = harness.receive(tag, entries, chunk, "192.0.2.1", of_connection);
    harness.commit();
    return verdict;
  };
  const std::string large = entries_of(20 * kMiB).bytes;
  while (receive("app.a", large, kFluentdId, &note) != Verdict::kTaken) {
  }
  ConnectionNote others;
  for (const size_t bytes : {kMiB, size_t{1}}) {
    while (receive("app.a", entries_of(bytes).bytes, "", &others) == Verdict::kTaken) {
    }
  }
  const std::string tag = "app." + std::string(70'000, 't');
  for (int times = 0; times < 3; ++times) {
    EXPECT_EQ(receive(tag, "", kFluentdId, &note), Verdict::kNotNow);
  }
}

// A byte of it is an entry that is left out: no turn of the loop is long, and each is counted once.
TEST_F(Parts, EntriesOfAByteThatAreLeftOutTakeManyTurns) {
  const std::string event = entries_of(1).bytes;
  uint64_t messages = 0;
  uint64_t nils = 0;
  for (const size_t mebibytes : {size_t{1}, size_t{17}}) {
    const std::string bytes = event + std::string(mebibytes * kMiB, '\xc0') + event;
    nils += mebibytes * kMiB;
    uint64_t turns = 0;
    auto verdict = Verdict::kInParts;
    while (verdict == Verdict::kInParts) {
      verdict = harness.receive("app.a", bytes, kFluentdId, "192.0.2.1", &note, &turns);
    }
    EXPECT_EQ(verdict, Verdict::kTaken);
    harness.commit();
    EXPECT_GE(turns, 2 * mebibytes * kMiB / (1 << 18));
    EXPECT_EQ(harness.stored_count, ++messages);
    EXPECT_EQ(records(), 2 * messages);
    EXPECT_EQ(dead(Metric::kDiscardedNotEntry), nils);
    EXPECT_EQ(harness.receive("app.a", bytes, kFluentdId), Verdict::kDone);
    EXPECT_EQ(dead(Metric::kDiscardedNotEntry), nils);
  }
}

TEST_F(Parts, NothingIsKeptOfOneThatIsMalformedAtItsEnd) {
  EXPECT_EQ(offer(entries_of(40 * kMiB).bytes + '\xc1', kFluentdId, note), Verdict::kMalformed);
  harness.commit();
  EXPECT_EQ(records(), 0U);
}

// [time, {"k": a text of so many bytes}].
std::string one_text(size_t bytes) {
  return "\x92\x05\x81\xa1k" + testing::packed_string(std::string(bytes, '\x01'));
}

TEST_F(Parts, OnlyTheRecordThatIsTooCostlyIsADeadLetter) {
  const Entries good = entries_of(1);
  uint64_t found = 0;
  // Too many keys; too large as JSON; too large to be tried.
  for (const std::string& costly : {many_keys(300'000), one_text(6 * kMiB), one_text(17 * kMiB)}) {
    const std::string nil = "\xc0";
    EXPECT_EQ(offer(good.bytes + nil + costly + nil + good.bytes, kFluentdId, note),
              Verdict::kTaken);
    harness.seal(buffer::SealReason::kForced);
    EXPECT_EQ(harness.registry.total(Metric::kReceivedEntries), 3 * ++found);
    EXPECT_EQ(dead(Metric::kDiscardedNotEntry), 2 * found);
    EXPECT_EQ(harness.log().queue().counts().due, found);
    EXPECT_EQ(dead(Metric::kDeadExpansion), found);
    const auto letters = harness.dead("local");
    ASSERT_EQ(letters.size(), found);
    const auto letter = std::find_if(letters.begin(), letters.end(),
                                     [&](const auto& each) { return each.first == costly; });
    ASSERT_NE(letter, letters.end());
    EXPECT_EQ(letter->second["reason"], "expansion");
  }
}

}  // namespace
}  // namespace millrace::ingest
