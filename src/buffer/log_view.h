// SPDX-License-Identifier: Apache-2.0
#pragma once

// LogView: what a log directory holds, for people. It writes nothing, takes no lock, and may be
// taken of a log that a running service appends to, rolls and removes segments of: a segment that
// vanishes held nothing unfinished, and an end that is half written is no damage. What it tells was
// true at one moment while it was taken. Decides nothing: what a start would do is recovery's.
// Invariant: damage is told only after it was read twice, and never of bytes that may be under way.
// One thread. The file system must outlive it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "buffer/chunk_reader.h"
#include "buffer/chunk_table.h"
#include "buffer/log_files.h"

namespace millrace::buffer {

enum class ChunkState : uint8_t {
  kStaged,      // no SEAL yet
  kQueued,      // or in flight
  kDeadLetter,  // never to be sent; not yet in dead/
  kFinished,
  kDamaged,  // unfinished, and frames of it are missing
};

/// "staged", "queued", "dead", "finished", "damaged".
const char* name_of(ChunkState state);

struct ViewedChunk {
  uint64_t seq = 0;
  ChunkState state = ChunkState::kQueued;
  FoundChunk found;                      // what its frames tell
  uint64_t open_lsn = kNoLsn;            // of the first OPEN
  std::optional<PositionLine> finished;  // C S D X
  std::optional<PositionLine> tried;     // R
  uint64_t body_bytes() const;
  uint64_t records() const;
};

struct ViewedSegment {
  Segment segment;
  uint64_t read_to = 0;  // lsn behind the last good group
  uint64_t commits = 0;  // groups that end one
  uint64_t groups = 0;
  uint64_t keys = 0;         // requests that can be told when they come again
  uint64_t group_bytes = 0;  // headers and bodies: all else of the file is padding and reserve
  uint64_t torn_bytes = 0;   // behind read_to, of the newest: a commit that was not finished
};

/// Bytes that do not hold or are not there, and what that means.
struct Damage {
  std::string file;       // a name in the log's directory; empty: none holds the range
  uint64_t lsn = kNoLsn;  // where it begins; none: the file as a whole
  uint64_t bytes = 0;
  std::string what;
  std::vector<std::string> costs;    // none: no record of an unfinished chunk
  bool is_explained = true;          // all that can have lain there was seen, or is told
  std::optional<FrameHeader> frame;  // if it is one whose header holds
};

Damage whole_file(std::string file, std::string what, std::vector<std::string> costs = {});
Damage newest_missing(const Segment& newest_there);

class LogView {
 public:
  /// `check_payloads`: read every byte and check every CRC; else headers alone.
  /// kInvalid: a segment was written by a newer version.
  static Result<std::unique_ptr<LogView>> take(io::FileSystem& files, std::string directory,
                                               bool check_payloads);

  const std::string& directory() const { return directory_; }
  /// uuid, epochs, lines of the position file; the segments of the last look.
  const LogFiles& log_files() const { return found_; }
  const LogCrc& crc() const { return crc_; }
  const std::map<uint64_t, ViewedChunk>& chunks() const { return chunks_; }
  const std::vector<ViewedSegment>& segments() const { return viewed_; }
  const std::vector<Damage>& damages() const { return damages_; }

  /// The segment that holds `lsn`; nothing if none does.
  std::optional<Segment> segment_of(uint64_t lsn) const { return set_.find(lsn); }
  /// The bytes a delivery of `chunk` has now, or would have if it were sealed now. kNotFound: its
  /// frames have been removed meanwhile, so it was finished, or moved. At most kLoadedBytesMax
  /// (kInvalid).
  Result<> load(const ViewedChunk& chunk, LoadedChunk& out) const;
  static constexpr uint64_t kLoadedBytesMax = 1ULL << 30;

  /// Reads every unfinished chunk as a delivery would, and the side files, and adds what does not
  /// hold to damages(), and to each range that was damaged already what it costs.
  Result<> check_chunks();

 private:
  struct Scanned {
    ViewedSegment viewed;
    std::vector<Damage> damages;
  };

  LogView(io::FileSystem& files, std::string directory, bool check_payloads);
  Result<> look_and_scan();
  bool is_settled(const LogFiles& found, const LogFiles& after, std::string& torn) const;
  Result<> confirm_faults();
  void make_chunks();
  ChunkState state_of(const ViewedChunk& chunk) const;
  bool is_there(const ViewedChunk& chunk) const;
  bool was_finished(const ViewedChunk& chunk) const;
  Result<> load_staged(ChunkReader& reader, const ViewedChunk& chunk, LoadedChunk& out) const;

  // log_view_check.cc
  void recall_lost();
  Result<> check_chunk(const ViewedChunk& chunk, LoadedChunk& loaded);
  bool is_hit(const Damage& damage, uint64_t lsn) const;
  void add_cost(const ViewedChunk& chunk, const LoadedChunk& loaded);
  void add_lost(std::initializer_list<uint64_t> lsns, const std::string& what,
                const std::string& cost);
  void add_doubt(Damage& damage) const;
  void add_doubts(Damage& damage) const;
  Result<> check_side_files();
  Result<> check_left(uint64_t base_lsn, uint32_t epoch);

  // log_view_scan.cc
  Result<> scan(const Segment& segment, bool newest);
  Result<bool> is_under_way(SegmentScanner& scanner, const ViewedSegment& viewed,
                            bool newest) const;
  Result<> add_group(SegmentScanner& scanner, const ScannedGroup& group, Scanned& scanned);
  Result<bool> pass_bad_payloads(SegmentScanner& scanner, Scanned& scanned);
  Result<> pass_gap(SegmentScanner& scanner, Scanned& scanned);
  Result<> add_frame(SegmentScanner& scanner, const ScannedFrame& frame, uint64_t base_lsn);

  io::FileSystem& files_;
  const std::string directory_;
  const bool check_payloads_;
  LogFiles found_;
  LogCrc crc_;
  std::map<std::string, Scanned> scanned_;  // by file name
  ChunkTable table_;
  std::map<uint64_t, uint64_t> open_lsns_;  // by chunk_seq
  std::set<uint64_t> kept_;                 // lsns of intact frames inside damaged ranges
  std::set<std::string> recalled_;          // damaged segments whose side files tell what they had
  std::vector<SideFile::Chunk> gone_;       // chunks of which they have nothing any more
  SegmentSet set_;
  std::map<uint64_t, ViewedChunk> chunks_;
  std::vector<ViewedSegment> viewed_;
  std::vector<Damage> damages_;
};

}  // namespace millrace::buffer
