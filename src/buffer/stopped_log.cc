// SPDX-License-Identifier: Apache-2.0
#include "buffer/stopped_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "buffer/dead_letters.h"
#include "buffer/first_commit.h"
#include "buffer/group_writer.h"
#include "buffer/key_seed.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {

StoppedLog::StoppedLog(io::Io io, std::string directory, std::unique_ptr<io::FileLock> lock)
    : io_(io),
      directory_(std::move(directory)),
      lock_(std::move(lock)),
      cells_(registry_.make_cells("")) {}

StoppedLog::~StoppedLog() = default;

Result<std::unique_ptr<StoppedLog>> StoppedLog::open(io::Io io, const std::string& directory) {
  auto lock = io.files.lock(directory + "/LOCK");
  if (!lock) return tl::unexpected(lock.error());
  const std::string holder = fmt::format("pid {} (millrace buffer)\n", ::getpid());
  if (auto described = (*lock)->describe(holder); !described) {
    return tl::unexpected(described.error());
  }
  std::unique_ptr<StoppedLog> log(new StoppedLog(io, directory, std::move(*lock)));
  if (auto recovered = log->recover(); !recovered) return tl::unexpected(recovered.error());
  return log;
}

// The seed stays that of the log's newest segment, or the service would not know the keys in it. If
// no header tells it, this one does not either.
Result<> StoppedLog::recover() {
  auto found = look(io_.files, directory_);
  if (!found) return tl::unexpected(found.error());
  for (const auto& [seq, line] : found->position.finished) {
    if (line.kind == static_cast<char>(Finish::kDelivered) ||
        line.kind == static_cast<char>(Finish::kSecondary)) {
      delivered_.push_back(line.id);
    }
  }
  RecoverySettings settings;
  settings.directory = directory_;
  settings.output_id = found->output_id;
  settings.worker_id = found->worker_id;
  settings.key_seed = find_key_seed(io_.files, {directory_}).seed.value_or(kNoKeySeed);
  settings.segment_bytes = 0;  // nothing is appended to it
  Recovery recovery(io_, std::move(settings), segments_, pool_, cells_, interrupted_);
  auto recovered = recovery.run();
  if (!recovered) return tl::unexpected(recovered.error());
  if (recovered->unwritten != nullptr) return tl::unexpected(recovered->refusal);
  recovered_ = std::move(*recovered);
  crc_ = LogCrc::of(recovered_.header.uuid);
  end_lsn_ = recovered_.durable_end;
  return {};
}

bool StoppedLog::was_delivered(const ChunkId& id) const {
  return std::find(delivered_.begin(), delivered_.end(), id) != delivered_.end();
}

void StoppedLog::add(const OpenPayload& open, const std::vector<std::string_view>& records) {
  CHECK(!records.empty());
  if (batch_ == nullptr) batch_ = std::make_unique<Batch>(pool_, end_lsn_);
  StagedChunk chunk;
  chunk.seq = uint64_t{recovered_.header.epoch} << kEpochShift | next_counter_++;
  chunk.open_bytes = encode(open);
  chunk.chunk_crc = crc_.seed;
  GroupWriter writer(crc_);
  writer.begin(*batch_, GroupType::kAppend, {}, now_unix());
  writer.put_frame(chunk, FrameKind::kOpen, 0, chunk.open_bytes);
  for (const std::string_view record : records) {
    writer.put_record(chunk, record);
  }
  writer.end_frame();
  SealPayload seal;
  seal.body_bytes = chunk.body_bytes;
  seal.records = chunk.records;
  seal.sealed_us = io_.clock.wall_us();
  seal.chunk_crc = chunk.chunk_crc;
  seal.reason = SealReason::kForced;
  seal.frame_lsns = chunk.frame_lsns;
  const uint64_t lsn = writer.put_frame(chunk, FrameKind::kSeal, chunk.next_frame_no,
                                        encode(seal, chunk.open_bytes));
  writer.end();
  batch_->sealed.push_back(QueuedChunk{.seq = chunk.seq,
                                       .id = open.id,
                                       .seal_lsn = lsn,
                                       .body_bytes = chunk.body_bytes,
                                       .records = chunk.records,
                                       .shares = chunk.shares});
}

Result<> StoppedLog::commit() {
  if (batch_ == nullptr) return {};
  auto published = publish();
  if (published) {
    for (QueuedChunk& chunk : batch_->sealed) {
      chunk.shares = segments_.resolve(chunk.shares);
      recovered_.chunks.push_back(std::move(chunk));
    }
  }
  batch_.reset();
  return published;
}

// As a roll: the commit is durable with the name of its segment.
Result<> StoppedLog::publish() {
  const uint64_t base = batch_->start_lsn();
  const uint64_t end = round_up(batch_->end_lsn(), kBlockBytes);
  const uint64_t capacity = kSegmentHeaderBytes + (end - base) + kBlocksBehindCommit * kBlockBytes;
  auto spare = make_spare(io_.files, directory_, 0, capacity, capacity);
  if (!spare) return tl::unexpected(spare.error());
  SegmentHeader header = recovered_.header;
  header.base_lsn = base;
  const std::optional<Segment> left = segments_.newest();
  auto published =
      publish_first_commit(io_, directory_, *spare, header, *batch_, crc_, segments_, end);
  if (!published) return published;
  end_lsn_ = end;
  // Then it shows that another followed. If it cannot be cut, all that it holds is read as before.
  CHECK(left);
  (void)cut_to_end(io_.files, directory_, *left);
  const auto proved = prove_commit(io_, *spare->file, pool_, header, crc_, segments_, end_lsn_);
  if (!proved) return tl::unexpected(proved.error());
  end_lsn_ = *proved;
  return {};
}

Result<> StoppedLog::read(const QueuedChunk& chunk, LoadedChunk& out) {
  return ChunkReader(io_.files, directory_, segments_, crc_).read(chunk, out);
}

Result<> StoppedLog::give_up(QueuedChunk chunk, const std::string& why, LoadedChunk& out) {
  if (auto loaded = read(chunk, out); !loaded) return loaded;
  if (chunk.kind == ChunkKind::kDeliver) {  // else it has its reason
    chunk.give_up = GiveUp::kByHand;
    chunk.last_error = why;
  }
  const auto written = write_dead_letter(io_.files, directory_, chunk, out);
  if (!written) return tl::unexpected(written.error());
  if (!*written) {  // the letter that was there has all of it
    out.records = out.seal.records;
    out.missing_records = 0;
  }
  return finish_dead(chunk);
}

Result<> StoppedLog::finish_dead(const QueuedChunk& chunk) {
  auto line = recovered_.position->finish(Finish::kDeadLetter, chunk, io_.clock.wall_us() / 1000);
  if (line) line = recovered_.position->sync();
  if (!line) return line;
  const uint64_t seq = chunk.seq;  // of one that goes with the others
  std::erase_if(recovered_.chunks, [seq](const QueuedChunk& one) { return one.seq == seq; });
  return {};
}

}  // namespace millrace::buffer
