// SPDX-License-Identifier: Apache-2.0
#pragma once

// Log: the buffer of one (worker, output): front door to appending, committing, taking and
// finishing chunks. It joins the parts and keeps the account of its bytes; each part documents its
// own thread. Does not know what the bytes mean, nor who delivers them. Invariant: unfinished body
// bytes = what was appended and has no line in the position file yet. Destroyed after all threads
// that use it have ended.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "buffer/appender.h"
#include "buffer/chunk_queue.h"
#include "buffer/chunk_reader.h"
#include "buffer/commit_pace.h"
#include "buffer/commit_thread.h"
#include "buffer/key_table.h"
#include "buffer/left_letters.h"
#include "buffer/position_file.h"
#include "buffer/reclaimer.h"
#include "buffer/recovery.h"

namespace millrace::buffer {

struct LogSettings {
  std::string directory;
  std::string output_id;
  uint32_t worker_id = 0;
  uint64_t total_limit_bytes = 0;  // body bytes of unfinished chunks
  uint64_t key_seed = 0;           // of request keys
  KeyTable* keys = nullptr;        // null: nobody looks a key up
  LogBits key_bit = 0;             // of this log in it
  MoveLimits moves = {};
};

enum class Room {
  kYes,
  kNotYet,    // the next segment is being made; nothing is wrong
  kFull,      // total_limit_bytes is reached
  kDiskFull,  // what is left is for the SEALs of staged chunks, and the disk has no room for a
              // spare; or the position file cannot grow
  kRefusing,  // the disk refuses commits; it is tried again every few seconds
};

struct LogStatus {
  size_t staged_chunks = 0;  // with those that are sealed and not yet durably so
  uint64_t staged_bytes = 0;
  ChunkQueue::Counts queue;
  uint64_t unfinished_bytes = 0;
  size_t segments = 0;
  uint64_t disk_bytes = 0;
  bool refusing = false;  // nothing is stored; what is durable is delivered
  bool degraded = false;  // a write or sync failed in the last ten minutes
  bool full = false;
  std::string last_error;
};

class Log : public CommitTarget {
 public:
  /// Locks the directory (kLocked: another process has it; the message is what its LOCK says) and
  /// recovers. The queue is filled; deliver only when all logs of the process are open.
  static Result<std::unique_ptr<Log>> open(io::Io io, LogSettings settings, BlockPool& pool,
                                           metrics::Registry& registry,
                                           const std::atomic<bool>& interrupted);
  ~Log() override;

  const LogSettings& settings() const { return settings_; }
  // --- Loop thread.
  Room room(uint64_t bytes);
  /// The same for the request that is laid out, before it ends: the rest may be needed for SEALs.
  Room room_for_open_request();
  /// A request met a full buffer; `action` is the row of what became of it.
  void count_overflow(metrics::Metric action) { loop_cells_.add(action); }
  Appender& appender() { return *appender_; }
  const Appender& appender() const { return *appender_; }
  /// The open batch, to be committed; then completed() follows. Null: there is none, or another of
  /// this log is under way. What is to be moved goes along, behind requests or in their absence.
  std::unique_ptr<Batch> next_commit();
  /// Hands the next commit, if there is one, to the commit thread.
  void submit(CommitThread& commits);
  /// The same when it is due (CommitPace). False: it is put off; to be called again after each
  /// request, and in CommitPace::kWaitUsMax at the latest.
  bool submit_if_due(CommitThread& commits);
  /// The batch came back durable. Frees its memory when it goes.
  void completed(const Batch& batch);
  bool commit_under_way() const { return commit_under_way_; }
  /// The disk had no room for what the start has to write: nothing is stored before that is
  /// durable, and no client waits for it. Any thread.
  bool starting() const { return starting_; }
  /// Bytes in memory that wait for a refusing log.
  uint64_t stuck_bytes() const;
  /// True if so much time has passed since the last commit and that one is not proved by a PAD.
  bool wants_pad(uint64_t idle_ms) const;
  /// Somebody has to wait, for room() said so. Once: `wake` is called (on any thread) when it may
  /// have come.
  void when_room(Room room, std::function<void()> wake);
  void publish_counts();  // for status(); after each commit, and a few times a second

  // --- Commit thread.
  LogWriter::Outcome commit(Batch& batch) override;

  // --- Flush threads and housekeeping.
  ChunkQueue& queue() { return queue_; }
  const SegmentSet& segments() const { return segments_; }
  ChunkReader make_reader(ChunkReader::TailOf tail_of = md5) const;
  LeftLetters& left_letters() { return *left_letters_; }
  /// What of a chunk did not hold though it was read twice: its segments are kept in corrupt/ when
  /// they are done.
  void note_damage(const LoadedChunk& loaded);
  /// The outcome of a chunk in hand is known: writes its line, frees what it held.
  /// Counts what the disk has lost of a chunk that is finished.
  static void count_damage(metrics::Cells& cells, const LoadedChunk& loaded);
  void finish(const QueuedChunk& chunk, Finish outcome);
  /// Remembers the attempts of a chunk on disk, at most once a minute.
  void note_attempt(QueuedChunk& chunk);
  /// For people: what the last attempt met; empty once one succeeds.
  void note_delivery(const std::string& error);
  /// Drops the oldest queued chunk that nobody holds. False if there is none.
  bool drop_oldest();
  /// Drops the oldest chunks until a segment can be removed, unless one can be already.
  void drop_for_disk();

  // --- Housekeeping thread: one round of everything that is due. True if a commit that waits
  // may be tried again. Once `stopping`, dead letters stay in the buffer: the next start has them.
  bool tend(const std::atomic<bool>* stopping = nullptr);
  /// `wake` asks for a round soon; any thread. Before anything is stored.
  void on_need(std::function<void()> wake) { need_ = std::move(wake); }

  // --- Any thread.
  LogStatus status() const;
  bool refusing() const { return refusing_; }

 private:
  Log(io::Io io, LogSettings settings, BlockPool& pool, metrics::Registry& registry,
      std::unique_ptr<io::FileLock> lock);
  Result<> recover(BlockPool& pool, const std::atomic<bool>& interrupted);
  void put_moves();
  uint64_t move_room() const;
  void wait_for_space(Recovered& recovered);
  void durable_now(Batch& batch);
  void moves_durable(Batch& batch);
  void moves_refused(Batch& batch);
  void tell_commit(LogWriter::Outcome outcome);
  void tell_position(const Result<>& done);
  void disk_failed(const Error& error);
  bool degraded() const;
  void wake_waiting();
  uint64_t held_bytes() const { return unfinished_bytes_ + appender_->open_batch_bytes(); }
  SpareSlot::Laid laid_out(uint64_t more_bytes) const;
  Room short_of_space() const;
  void drop(const QueuedChunk& chunk);
  void tend_spare();
  Result<> make_or_grow_spare(uint64_t wanted);
  void tend_left_segments();
  bool finish_segment(const Segment& segment);
  void write_side_file(const Segment& segment, bool last_chance);
  void tend_position();
  bool sync_position();
  void tend_dead_letters(const std::atomic<bool>* stopping);
  bool bury(QueuedChunk chunk);
  void tend_removals();
  Result<> note_removal(const Segment& segment);
  Result<> remove_segment(const Segment& segment);
  void tend_moves();
  void tend_gauges();

  io::Io io_;
  const LogSettings settings_;
  std::unique_ptr<io::FileLock> lock_;
  LogCrc crc_;
  SegmentSet segments_;
  SpareSlot spares_;
  ChunkQueue queue_;
  metrics::Cells& commit_cells_;
  metrics::Cells& housekeeping_cells_;
  metrics::Cells& loop_cells_;
  std::unique_ptr<PositionFile> position_;
  std::unique_ptr<SideFileSet> side_files_;  // housekeeping thread
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<Appender> appender_;
  std::unique_ptr<ChunkReader> dead_reader_;
  std::unique_ptr<Reclaimer> reclaimer_;
  std::unique_ptr<LeftLetters> left_letters_;
  MoveSlot moves_;

  // Loop thread.
  std::unique_ptr<Batch> unwritten_;  // of the start, until it is submitted
  CommitPace pace_;
  bool commit_under_way_ = false;
  size_t committing_seals_ = 0;     // chunks whose SEAL is in the commit under way
  uint64_t committing_bytes_ = 0;   // of the batch that is under way
  uint64_t committing_lsn_ = 0;     // where that begins
  uint64_t clients_waited_ms_ = 0;  // when somebody last waited for room
  bool proved_ = true;
  uint64_t last_commit_ms_ = 0;

  uint64_t fail_overs_told_ = 0;  // commit thread

  // Housekeeping thread.
  uint64_t position_retry_ms_ = 0;
  uint64_t removal_retry_ms_ = 0;
  bool removals_unsynced_ = false;  // a power cut may bring segments back
  uint64_t dead_directory_retry_ms_ = 0;
  uint64_t spare_number_ = 0;
  uint64_t spare_retry_ms_ = 0;
  uint64_t moves_not_before_ms_ = 0;
  bool moves_want_spare_ = false;
  std::string emptied_;       // name of the segment that was last said to be
  bool removed_now_ = false;  // in this round, so there may be space for a spare
  LoadedChunk loaded_;

  std::atomic<uint64_t> unfinished_bytes_{0};
  std::atomic<size_t> staged_chunks_{0};
  std::atomic<uint64_t> staged_bytes_{0};
  std::atomic<uint64_t> seal_debt_{0};
  std::atomic<bool> starting_{false};
  std::atomic<bool> refusing_{false};
  std::atomic<bool> position_failing_{false};
  std::atomic<uint64_t> disk_failed_ms_{0};  // when a write or sync last failed; 0: never
  std::atomic<bool> spare_missing_{false};   // it cannot be made
  std::atomic<bool> position_short_{false};  // it could not grow when it was last asked to
  std::atomic<bool> drop_wanted_{false};     // the last try to make it found no space
  std::atomic<bool> clients_wait_{false};    // for room, now or a moment ago
  std::atomic<bool> move_under_way_{false};  // in a batch
  mutable std::mutex mutex_;                 // guards the two below
  std::string last_error_;
  std::function<void()> wake_;
  std::function<void()> need_;  // set once
};

}  // namespace millrace::buffer
