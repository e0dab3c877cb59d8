// SPDX-License-Identifier: Apache-2.0
// Amid the slices of a large chunk a bit turns in a copy that does not count any more. The start
// after it cannot tell exactly how many bytes of the chunk lie where; that must cost nothing.

#include <gtest/gtest.h>

#include "base/log.h"
#include "buffer/log_files.h"
#include "buffer/segment_scanner.h"
#include "tests/support/sparse_log.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::SparseLog;

class MoveCount : public ::testing::Test {
 protected:
  MoveCount() { log::configure(log::Level::kError, log::Format::kText); }
  ~MoveCount() override { log::configure(log::Level::kInfo, log::Format::kText); }

  struct Place {
    std::string file;
    uint64_t offset = 0;
  };

  /// The headers of DATA frames of which a later copy is there.
  static std::vector<Place> old_copies(SparseLog& sparse) {
    std::map<std::pair<uint64_t, uint32_t>, Place> last;
    std::vector<Place> old;
    const auto found = look(sparse.files, SparseLog::kDirectory);
    CHECK(found.has_value());
    for (const Segment& segment : found->segments) {
      const std::string path = std::string(SparseLog::kDirectory) + "/" + segment.name;
      auto file = sparse.files.open(path, io::OpenMode::kRead);
      CHECK(file.has_value());
      SegmentScanner scanner(**file, LogCrc::of(found->uuid), segment.base_lsn, segment.end_lsn,
                             segment.epoch);
      for (auto group = scanner.next(false); group && *group; group = scanner.next(false)) {
        for (const ScannedFrame& frame : (*group)->frames) {
          if (frame.header.kind != FrameKind::kData) continue;
          Place& place = last[{frame.header.chunk_seq, frame.header.frame_no}];
          if (!place.file.empty()) old.push_back(place);
          place = Place{path, kSegmentHeaderBytes + frame.lsn - segment.base_lsn};
        }
      }
    }
    return old;
  }

  /// So many commits that have a move in them.
  static void move(SparseLog& sparse, uint64_t slices) {
    sparse.log().tend();
    sparse.harness.clock.running += SparseLog::kSpillAfterMs;
    while (sparse.total(Metric::kMovedChunks) < slices) {
      sparse.log().tend();
      auto batch = sparse.log().next_commit();
      if (batch == nullptr) continue;
      ASSERT_EQ(sparse.log().commit(*batch), LogWriter::Outcome::kDurable);
      sparse.log().completed(*batch);
    }
  }

  static void flip(SparseLog& sparse, const Place& place) {
    auto file = sparse.files.open(place.file, io::OpenMode::kReadWrite);
    CHECK(file.has_value());
    char byte = 0;
    CHECK((*file)->pread(&byte, 1, place.offset + 9).has_value());
    byte = static_cast<char>(byte ^ 4);
    CHECK((*file)->pwrite({&byte, 1}, place.offset + 9).has_value());
    CHECK((*file)->fdatasync().has_value());
  }

  /// What a side file tells is not read from the segment.
  static void remove_side_files(SparseLog& sparse) {
    const auto entries = sparse.files.list(SparseLog::kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!is_side_file_name(entry.name)) continue;
      CHECK(sparse.files.unlink(std::string(SparseLog::kDirectory) + "/" + entry.name).has_value());
    }
  }
};

TEST_F(MoveCount, ABitOfACopyThatDoesNotCountCostsNothing) {
  size_t cases = 0;
  for (uint64_t slices = 1; slices < 12; ++slices) {
    SparseLog sparse;
    const std::string body = sparse.store_in_many_segments(35'000);  // two records a slice
    move(sparse, slices);
    sparse.harness.stop();
    remove_side_files(sparse);
    const io::DiskState before = sparse.files.state();
    const std::vector<Place> places = old_copies(sparse);
    for (size_t i = 0; i <= places.size() && !places.empty(); ++i) {
      sparse.files.set(before);
      if (i < places.size()) flip(sparse, places[i]);
      for (const Place& place : places) {
        if (i == places.size()) flip(sparse, place);
      }
      sparse.start();
      EXPECT_GT(sparse.total(Metric::kCorruptBytes), 0U);
      const uint64_t moved = sparse.total(Metric::kMovedChunks);
      sparse.let_it_move(120);
      EXPECT_LE(sparse.total(Metric::kMovedChunks) - moved, 40U) << "it comes to an end";
      EXPECT_LE(sparse.log().segments().count(), 2U) << slices << ' ' << i;
      EXPECT_TRUE(sparse.deliver_all() == body) << slices << ' ' << i;
      EXPECT_EQ(sparse.damaged, 0U);
      EXPECT_EQ(sparse.log().segments().live_bytes(), 0U);
      sparse.harness.stop();
      ++cases;
    }
  }
  EXPECT_GT(cases, 20U);
}

}  // namespace
}  // namespace millrace::buffer
