// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_writer.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;

}  // namespace

LogWriter::LogWriter(io::Io io, std::string directory, SegmentHeader header,
                     std::unique_ptr<io::File> active, uint64_t capacity, uint64_t durable_end,
                     SegmentSet& segments, SpareSlot& spares, metrics::Cells& cells)
    : io_(io),
      directory_(std::move(directory)),
      header_(std::move(header)),
      crc_(LogCrc::of(header_.uuid)),
      active_(std::move(active)),
      capacity_(capacity),
      active_base_(header_.base_lsn),
      durable_end_(durable_end),
      segments_(segments),
      spares_(spares),
      cells_(cells) {
  CHECK(durable_end % kBlockBytes == 0 && durable_end >= header_.base_lsn);
}

LogWriter::Outcome LogWriter::commit(Batch& batch) {
  CHECK(!failed_ && batch.start_lsn() == durable_end() && !batch.group_headers.empty());
  const auto begun = std::chrono::steady_clock::now();
  const uint64_t end = round_up(batch.end_lsn(), kBlockBytes);
  const uint64_t file_end = kSegmentHeaderBytes + (end - header_.base_lsn);
  Result<> done;
  if (file_end <= capacity_) {
    batch.stamp(crc_, header_.epoch);
    done = append(batch);
  } else {
    std::optional<Spare> spare = spares_.take();
    if (!spare) {
      spares_.want(kSegmentHeaderBytes + (end - batch.start_lsn()));
      return Outcome::kNoSpare;
    }
    batch.stamp(crc_, header_.epoch);
    done = roll(batch, std::move(*spare));
  }
  if (!done) {
    failed_ = true;
    error_ = done.error();
    cells_.add(Metric::kCommitFailures);
    return Outcome::kFailed;
  }
  segments_.add_commit(end, batch.frame_bytes);
  durable_end_.store(end, std::memory_order_release);
  count(batch, end);
  cells_.observe(metrics::Histogram::kSyncSeconds,
                 static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                           std::chrono::steady_clock::now() - begun)
                                           .count()));
  return Outcome::kDurable;
}

Result<> LogWriter::append(Batch& batch) {
  const uint64_t offset = kSegmentHeaderBytes + (batch.start_lsn() - header_.base_lsn);
  CHECK(offset % kBlockBytes == 0);
  if (auto written = active_->pwritev(batch.content(), offset); !written) return written;
  return active_->fdatasync();
}

Result<> LogWriter::roll(Batch& batch, Spare spare) {
  SegmentHeader header = header_;
  header.base_lsn = batch.start_lsn();
  header.created_us = io_.clock.wall_us();
  header.capacity = spare.capacity;
  auto published = publish_segment(io_.files, directory_, spare, header, batch.content());
  if (!published) return published;
  segments_.add(Segment{.base_lsn = header.base_lsn,
                        .epoch = header.epoch,
                        .name = segment_name(header.epoch, header.base_lsn),
                        .end_lsn = header.base_lsn,
                        .file_bytes = spare.capacity});
  header_ = header;
  active_ = std::move(spare.file);
  capacity_ = spare.capacity;
  active_base_ = header.base_lsn;
  cells_.add(Metric::kRolls);
  return {};
}

void LogWriter::count(const Batch& batch, uint64_t end) {
  cells_.add(Metric::kCommits);
  cells_.add(Metric::kStoredRequests, batch.requests.size());
  cells_.add(Metric::kStoredRecords, batch.records);
  cells_.add(Metric::kStoredBytes, batch.body_bytes);
  cells_.add(Metric::kPaddingBytes, end - batch.end_lsn());
}

bool LogWriter::wants_spare() const {
  const uint64_t used = kSegmentHeaderBytes + (durable_end() - active_base_);
  return used * 2 > capacity_;
}

uint64_t LogWriter::next_capacity() const {
  return std::min(std::max(capacity_.load() * 2, kFirstSegmentBytes), kSegmentBytesMax);
}

}  // namespace millrace::buffer
