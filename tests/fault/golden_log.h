// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoldenLog: a whole log of one segment, with everything known about it: which frame lies where,
// which records are in it, what each chunk is. recover() starts on a damaged copy and tells what of
// it came back. Does not decide what may be lost: tests do. Invariant: the undamaged copy gives
// everything back, without alarm and without a repeat.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/disk_state.h"
#include "tests/fault/node.h"

namespace millrace::fault {

/// What a start on a damaged log brought.
struct Recovered {
  std::string complaint;    // what no damage excuses: a record altered or invented, a failed start
  std::set<uint32_t> lost;  // records
  size_t repeated = 0;      // chunks that were finished before
  size_t damaged = 0;       // chunks sent in part
  size_t dead = 0;          // chunks without head and key, put into dead/
  uint64_t corrupt_bytes = 0;
  uint64_t missing_segments = 0;
  uint64_t torn_bytes = 0;
  uint64_t damaged_chunks = 0;
  bool told() const {
    return damaged + corrupt_bytes + missing_segments + torn_bytes + damaged_chunks > 0;
  }
};

class GoldenLog {
 public:
  struct Settings {
    uint64_t seed = 1;
    uint64_t bytes = 256ULL << 10;  // of the segment file, a power of two
    bool ends_with_pad = true;
    bool delivers = true;  // some chunks, whose lines are in the position file
    uint32_t record_bytes = 600;
  };
  struct Frame {
    uint64_t begin = 0;  // file offsets
    uint64_t end = 0;
    uint64_t chunk_seq = 0;
    buffer::FrameKind kind = buffer::FrameKind::kData;
    std::vector<uint32_t> records;  // of a DATA frame
  };
  struct Group {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t commit_end = 0;  // of the commit it is in, with padding
    std::vector<Frame> frames;
  };

  explicit GoldenLog(Settings settings);

  const io::DiskState& disk() const { return disk_; }
  const std::string& segment() const { return segment_; }  // paths
  const std::string& position() const { return position_; }
  const std::vector<Group>& groups() const { return groups_; }
  uint64_t segment_end() const { return groups_.back().commit_end; }
  uint64_t position_end() const { return position_end_; }
  /// The frame that a byte of the segment lies in, if it is one of DATA.
  const Frame* data_frame_at(uint64_t offset) const;

  /// The disk with one file changed in place.
  io::DiskState with_flip(const std::string& path, uint64_t bit) const;
  io::DiskState with_bytes(const std::string& path, uint64_t offset, std::string_view bytes) const;
  io::DiskState with_size(const std::string& path, uint64_t size) const;
  io::DiskState without(const std::string& path) const;

  /// Starts on `disk`, reads every chunk; those that end below `read_from` (a file offset) only
  /// count, unread.
  Recovered recover(const io::DiskState& disk, uint64_t read_from = 0) const;

 private:
  struct Chunk {
    std::string bytes;
    std::vector<uint32_t> records;
    uint64_t end = 0;  // file offset behind its last frame
    bool finished = false;
  };

  void fill(Node& node, io::SimulatedRandom& random, const Settings& settings);
  void survey();
  void read_chunks();
  void read_dead(io::FileSystem& files, Recovered& result, std::vector<bool>& there) const;
  std::vector<uint32_t> records_in(std::string_view body, std::string* complaint) const;
  void judge(const buffer::LoadedChunk& loaded, const Chunk& chunk, Recovered& result,
             std::vector<bool>& there) const;

  Plan plan_;
  io::DiskState disk_;
  std::string segment_;
  std::string position_;
  uint64_t position_end_ = 0;
  std::vector<Group> groups_;
  std::map<std::string, uint32_t, std::less<>> records_;  // by text
  std::map<uint64_t, Chunk> chunks_;                      // by chunk_seq
  mutable buffer::BlockPool pool_;
};

}  // namespace millrace::fault
