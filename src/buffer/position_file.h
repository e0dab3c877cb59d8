// SPDX-License-Identifier: Apache-2.0
#pragma once

// PositionFile: which chunks are finished. A line is written at once, its sync may wait: losing
// lines costs repeats, never data. It is rewritten without the lines that nothing on disk needs any
// more. Does not read at start (position_reader.h) and removes nothing itself. Invariant: the slots
// before next_slot_ are written, all behind are zero. Any thread; one mutex, which is held while
// the disk works, but not asked for by free_slots().

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "buffer/chunk.h"
#include "buffer/position_line.h"
#include "io/io.h"

namespace millrace::buffer {

/// A line that a rewrite must keep for as long as a segment holds frames of its chunk.
struct KeptLine {
  PositionLine line;
  std::vector<Share> shares;
};

class PositionFile {
 public:
  /// Writes a new file with `lines` in place of what is there (temporary name, sync, rename, sync).
  static Result<std::unique_ptr<PositionFile>> begin(io::FileSystem& files, std::string directory,
                                                     PositionHeader header,
                                                     std::vector<KeptLine> lines);

  /// The same on a disk that has no room for a new file: goes on in the one that is there. All its
  /// bytes are written again where they are, for a dead process may have left them in the cache
  /// only; those of `lines` that it does not hold follow. kNoSpace: there is none to go on in.
  static Result<std::unique_ptr<PositionFile>> go_on(io::FileSystem& files, std::string directory,
                                                     PositionHeader header,
                                                     std::vector<KeptLine> lines);

  /// The line C, S, D or X of a finished chunk; durable with the next sync().
  Result<> finish(Finish outcome, const QueuedChunk& chunk, uint64_t unix_ms);
  /// The line R: failures that count so far, and running time since the first failure.
  Result<> attempt(const QueuedChunk& chunk, uint64_t elapsed_ms);
  /// The line G: [base_lsn, end_lsn) of `epoch` is being removed.
  Result<> removed(uint64_t base_lsn, uint32_t epoch, uint64_t end_lsn, uint64_t unix_ms);

  /// Makes all lines durable. After a line could not be written or synced, by writing all of them
  /// to a new file or, on a full disk, again where they are: what was opened as the old one is
  /// never synced again.
  Result<> sync();
  /// Reserves blocks so that free slots >= 2 * unfinished + 4096. kNoSpace: the disk has none, or
  /// the file is as large as a start reads one.
  Result<> reserve(uint64_t unfinished);
  /// Lines that may be written without a new block. Never waits for the disk.
  uint64_t free_slots() const { return free_slots_; }

  /// Rewrites the file if it is large and mostly unneeded. `needed` tells whether a segment still
  /// holds one of the shares, which changes only when one was removed(); `unfinished` whether a
  /// chunk may still be tried. Asked in vain, it looks again only when there is more to gain.
  Result<> compact(uint64_t first_lsn, const std::function<bool(const std::vector<Share>&)>& needed,
                   const std::function<bool(uint64_t chunk_seq)>& unfinished);

 private:
  PositionFile(io::FileSystem& files, std::string directory, PositionHeader header);
  Result<> write_line(const PositionLine& line, const std::vector<Share>& shares);  // mutex held
  Result<> rewrite(std::vector<KeptLine> lines);                                    // mutex held
  Result<> remove_next();                                                           // mutex held
  Result<std::unique_ptr<io::File>> write_next(const std::string& text, uint64_t bytes);
  Result<> write_again();                                        // mutex held
  Result<> repeat_in_place(const std::vector<KeptLine>& lines);  // mutex held
  void set_slots(uint64_t next_slot, uint64_t slots);            // mutex held

  io::FileSystem& files_;
  const std::string directory_;
  const LogCrc crc_;

  mutable std::mutex mutex_;  // guards all below
  PositionHeader header_;
  std::unique_ptr<io::File> file_;
  uint64_t next_slot_ = 0;
  uint64_t slots_ = 0;  // reserved on disk
  bool dirty_ = false;
  bool failed_ = false;  // file_ may lack lines
  std::vector<KeptLine> lines_;
  uint64_t removals_ = 0;               // since the last rewrite
  uint64_t compact_from_lines_ = 0;     // not before there are so many lines
  uint64_t compact_from_removals_ = 0;  // or so many removals

  std::atomic<uint64_t> free_slots_{0};  // slots_ - next_slot_
};

}  // namespace millrace::buffer
