// SPDX-License-Identifier: Apache-2.0
// What a view tells of a log, and that it changes nothing: of one that is appended to, of segments
// that vanish while they are read, of damage.

#include "buffer/log_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/lossy.h"
#include "tests/support/filtered_files.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::buffer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LogHarness;
using testing::MemoryFileSystem;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr uint64_t kFileBytesMax = 64 << 20;

/// Passes reads on; whatever would change something fails. Before the n-th opening of a file
/// `meanwhile` runs.
class ReadOnlyFiles : public testing::FilteredFiles {
 public:
  using FilteredFiles::FilteredFiles;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    if (mode == io::OpenMode::kRead && meanwhile && ++opened_ % every == 0) meanwhile();
    return FilteredFiles::open(path, mode);
  }
  std::optional<Result<>> instead(testing::Change) override {
    ++refused;
    return Result<>(fail(ErrorKind::kPermission, "a view changed something"));
  }

  std::function<void()> meanwhile;
  int every = 1;
  int refused = 0;

 private:
  int opened_ = 0;
};

class LogViewTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(harness_.start()); }

  std::unique_ptr<LogView> view(bool check = true) {
    auto taken = LogView::take(reader_, kDirectory, check);
    EXPECT_TRUE(taken) << taken.error().message;
    EXPECT_EQ(reader_.refused, 0);
    return std::move(*taken);
  }
  // A chunk of one record, sealed.
  void store(const std::string& record) {
    harness_.append({record});
    harness_.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness_.commit());
  }
  std::vector<std::string> states(const LogView& view) {
    std::vector<std::string> names;
    for (const auto& [seq, chunk] : view.chunks()) names.push_back(name_of(chunk.state));
    return names;
  }
  std::string newest_segment() {
    std::string newest;
    const auto entries = files_.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) newest = entry.name;
    }
    return newest;
  }
  std::string content(const std::string& name) {
    return *io::read_whole(files_, std::string(kDirectory) + "/" + name, kFileBytesMax);
  }
  void put(const std::string& name, std::string bytes) {
    files_.put(std::string(kDirectory) + "/" + name, std::move(bytes));
  }

  MemoryFileSystem files_;
  ReadOnlyFiles reader_{files_};
  LogHarness harness_{files_, kDirectory};
};

TEST_F(LogViewTest, TellsEachState) {
  store("delivered;");
  harness_.drain();
  store("queued;");
  harness_.append({"staged;", "too;"});
  ASSERT_TRUE(harness_.commit());
  const auto seen = view();
  EXPECT_THAT(states(*seen), ElementsAre("finished", "queued", "staged"));
  EXPECT_TRUE(seen->damages().empty());
  const ViewedChunk& queued = std::next(seen->chunks().begin())->second;
  EXPECT_EQ(queued.records(), 1U);
  EXPECT_EQ(queued.body_bytes(), 7U);
  LoadedChunk loaded;
  ASSERT_TRUE(seen->load(queued, loaded));
  EXPECT_EQ(loaded.bytes, "HEADqueued;");
  ASSERT_TRUE(seen->load(seen->chunks().rbegin()->second, loaded));
  EXPECT_EQ(loaded.bytes, "HEADstaged;too;");
  EXPECT_EQ(loaded.records, 2U);
}

TEST_F(LogViewTest, NothingIsNothing) {
  MemoryFileSystem empty;
  const auto taken = LogView::take(empty, "/nowhere", true);
  ASSERT_TRUE(taken);
  EXPECT_TRUE((*taken)->chunks().empty());
  EXPECT_TRUE((*taken)->damages().empty());
}

// Whatever the log does between any two reads of the view, it is no damage, and what is queued all
// the time is seen.
TEST_F(LogViewTest, AnythingMayHappenMeanwhile) {
  harness_.profile.chunk_bytes_max = 4 << 20;
  for (int every = 1; every <= 7; ++every) {
    store("stays " + std::to_string(every));
    int steps = 0;
    reader_.every = every;
    reader_.meanwhile = [&] {
      if (++steps > 60) return;
      harness_.append({std::string(1 << 20, 'x')});
      harness_.log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness_.commit());
      // All but the chunks that stay.
      auto& queue = harness_.log().queue();
      std::vector<QueuedChunk> kept;
      while (queue.counts().queued > 0) {
        QueuedChunk chunk = *queue.take();
        if (chunk.body_bytes < 100) {
          kept.push_back(std::move(chunk));
        } else {
          harness_.log().finish(chunk, Finish::kDelivered);
        }
      }
      for (QueuedChunk& chunk : kept) queue.give_back(std::move(chunk));
      harness_.log().tend();
    };
    const auto seen = view();
    reader_.meanwhile = nullptr;
    ASSERT_TRUE(seen->check_chunks());
    EXPECT_TRUE(seen->damages().empty()) << seen->damages()[0].what;
    int stay = 0;
    for (const auto& [seq, chunk] : seen->chunks()) {
      if (chunk.state == ChunkState::kQueued && chunk.body_bytes() < 100) ++stay;
    }
    EXPECT_EQ(stay, every);
    EXPECT_GT(steps, 0);
  }
}

TEST_F(LogViewTest, AnUnfinishedCommitIsNoDamage) {
  store("whole;");
  store("torn;");
  const std::string name = newest_segment();
  std::string bytes = content(name);
  const size_t at = bytes.find("torn;");
  bytes[at] = 'T';
  put(name, bytes);
  const auto seen = view();
  EXPECT_TRUE(seen->damages().empty());
  EXPECT_THAT(states(*seen), ElementsAre("queued"));
  EXPECT_GT(seen->segments().back().torn_bytes, 0U);
}

TEST_F(LogViewTest, TellsWhereAndWhatDamageCosts) {
  store("first;");
  const std::string name = newest_segment();
  store("second;");
  harness_.log().appender().put_pad();
  ASSERT_TRUE(harness_.commit());
  std::string bytes = content(name);
  const size_t at = bytes.find("first;");
  bytes[at + 2] = '!';
  put(name, bytes);
  const auto seen = view();
  ASSERT_TRUE(seen->check_chunks());
  ASSERT_EQ(seen->damages().size(), 1U);
  const Damage& damage = seen->damages()[0];
  EXPECT_EQ(damage.file, name);
  EXPECT_EQ(damage.lsn + kSegmentHeaderBytes + kFrameHeaderBytes, at);
  EXPECT_EQ(damage.bytes, 40U);
  ASSERT_EQ(damage.costs.size(), 1U);
  EXPECT_THAT(damage.costs[0],
              HasSubstr(seen->chunks().begin()->second.found.open->id.uuid() + ": 1 of its 1 "));
  // Without a look at the payloads nothing is seen until the chunk is read.
  const auto quick = view(false);
  EXPECT_TRUE(quick->damages().empty());
  LoadedChunk loaded;
  ASSERT_TRUE(quick->load(quick->chunks().begin()->second, loaded));
  EXPECT_TRUE(loaded.damaged);
}

TEST_F(LogViewTest, DamageOfWhatWasDeliveredCostsNothing) {
  store("delivered;");
  harness_.drain();
  store("queued;");
  harness_.log().appender().put_pad();
  ASSERT_TRUE(harness_.commit());
  const std::string name = newest_segment();
  std::string bytes = content(name);
  bytes[bytes.find("delivered;")] = 'D';
  put(name, bytes);
  const auto seen = view();
  ASSERT_TRUE(seen->check_chunks());
  ASSERT_EQ(seen->damages().size(), 1U);
  EXPECT_TRUE(seen->damages()[0].costs.empty());
}

TEST_F(LogViewTest, ASideFileThatDoesNotHold) {
  store("queued;");
  const auto good = view();
  ASSERT_TRUE(good->check_chunks());
  EXPECT_TRUE(good->damages().empty());
  const std::string side = "seg.00000001.0000000000000000.idx";
  put(side, std::string("MRIDX1\0\0", 8) + std::string(100, 'x'));
  const auto seen = view();
  ASSERT_TRUE(seen->check_chunks());
  ASSERT_EQ(seen->damages().size(), 1U);
  EXPECT_EQ(seen->damages()[0].file, side);
}

TEST_F(LogViewTest, ASegmentWithoutALineIsMissing) {
  store("first;");
  store("tail;");  // a start writes it again elsewhere
  harness_.stop();
  const std::string first = newest_segment();
  ASSERT_TRUE(harness_.start());
  store("second;");
  ASSERT_TRUE(files_.unlink(std::string(kDirectory) + "/" + first));
  const auto seen = view();
  ASSERT_FALSE(seen->damages().empty());
  EXPECT_EQ(seen->damages()[0].what, "a segment is missing");
  EXPECT_EQ(seen->damages()[0].lsn, 0U);
}

}  // namespace
}  // namespace millrace::buffer
