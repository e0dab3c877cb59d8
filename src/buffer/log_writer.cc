// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_writer.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "buffer/first_commit.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;

// Numbers of spares that housekeeping never reaches.
constexpr uint64_t kFailOverSpare = 1ULL << 32;

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
  zeros_.begin(kSegmentHeaderBytes + (durable_end - header_.base_lsn));
  spares_.set_active(header_.base_lsn, capacity);
}

LogWriter::Outcome LogWriter::commit(Batch& batch) {
  CHECK(batch.start_lsn() == durable_end() && !batch.group_headers.empty());
  const auto begun = std::chrono::steady_clock::now();
  const uint64_t end = round_up(batch.end_lsn(), kBlockBytes);
  const uint64_t file_end = kSegmentHeaderBytes + (end - header_.base_lsn);
  if (active_ == nullptr) {
    if (io_.clock.running_ms() < next_probe_ms_) return Outcome::kRefusing;
    if (fail_over(batch, error_) != Outcome::kDurable) return Outcome::kRefusing;
  } else {
    Result<> done;
    if (file_end <= capacity_) {
      done = append(batch);
    } else {
      std::optional<Spare> spare = spares_.take(batch.start_lsn());
      if (!spare) {
        spares_.want(kSegmentHeaderBytes + (end - batch.start_lsn()));
        return Outcome::kNoSpare;
      }
      done = begin_segment(batch, std::move(*spare));
    }
    if (!done && fail_over(batch, done.error()) != Outcome::kDurable) return Outcome::kRefusing;
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
  batch.stamp(crc_, header_.epoch);
  content_.clear();
  batch.add_content(content_);
  zeros_.add(content_, offset, offset + round_up(batch.bytes(), kBlockBytes), capacity_);
  if (auto written = active_->pwritev(content_, offset); !written) return written;
  return active_->fdatasync();
}

Result<> LogWriter::begin_segment(Batch& batch, Spare spare) {
  SegmentHeader header = header_;
  header.base_lsn = batch.start_lsn();
  auto published =
      publish_first_commit(io_, directory_, spare, header, batch, crc_, segments_, header.base_lsn);
  if (!published) return published;
  header_ = std::move(header);
  active_ = std::move(spare.file);
  capacity_ = spare.capacity;
  active_base_ = header_.base_lsn;
  zeros_.begin(kSegmentHeaderBytes + round_up(batch.bytes(), kBlockBytes));
  spares_.set_active(header_.base_lsn, spare.capacity);
  cells_.add(Metric::kRolls);
  return {};
}

// The bytes of the commit may be on disk, in part or not at all, whatever a read shows: they are
// written again before anything relies on them.
LogWriter::Outcome LogWriter::fail_over(Batch& batch, const Error& cause) {
  error_ = cause;
  if (active_ != nullptr) cells_.add(Metric::kCommitFailures);
  active_.reset();
  auto done = write_elsewhere(batch);
  if (done) {
    ++fail_overs_;
    cells_.add(Metric::kFailOvers);
    return Outcome::kDurable;
  }
  cells_.add(Metric::kCommitFailures);
  error_ = done.error();
  next_probe_ms_ = io_.clock.running_ms() +
                   (error_.kind == ErrorKind::kNoSpace ? kProbeFullEveryMs : kProbeEveryMs);
  return Outcome::kRefusing;
}

Result<> LogWriter::write_elsewhere(Batch& batch) {
  if (header_.epoch >= kEpochMax) {
    return fail(ErrorKind::kInvalid, directory_ +
                                         ": all epochs are used; deliver what is queued, "
                                         "then move the directory away");
  }
  const uint64_t needed =
      kSegmentHeaderBytes + round_up(batch.end_lsn(), kBlockBytes) - batch.start_lsn();
  const uint64_t wished = std::max(kFirstSegmentBytes, needed + kFirstSegmentBytes / 4);
  auto spare = make_spare(io_.files, directory_, kFailOverSpare + ++probes_, wished, needed);
  if (!spare) return tl::unexpected(spare.error());
  ++header_.epoch;  // also if this fails: what it leaves behind is never mistaken for the next
  return begin_segment(batch, std::move(*spare));
}

void LogWriter::count(const Batch& batch, uint64_t end) {
  cells_.add(Metric::kCommits);
  cells_.add(Metric::kStoredRequests, batch.requests.size());
  cells_.add(Metric::kStoredRecords, batch.records);
  cells_.add(Metric::kStoredBytes, batch.body_bytes);
  cells_.add(Metric::kPaddingBytes, end - batch.end_lsn());
}

uint64_t LogWriter::room() const {
  const uint64_t used = kSegmentHeaderBytes + (durable_end() - active_base_);
  const uint64_t capacity = capacity_;
  return capacity < used ? 0 : (capacity - used) / kBlockBytes * kBlockBytes;
}

bool LogWriter::wants_spare(uint64_t seal_debt) const {
  const uint64_t used = kSegmentHeaderBytes + (durable_end() - active_base_);
  return used * 2 > capacity_ || used + 2 * reserve_bytes(capacity_, seal_debt) > capacity_;
}

uint64_t LogWriter::next_capacity() const {
  return std::min(std::max(capacity_.load() * 2, kFirstSegmentBytes), kSegmentBytesMax);
}

}  // namespace millrace::buffer
