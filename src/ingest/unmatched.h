// SPDX-License-Identifier: Apache-2.0
#pragma once

// Unmatched: events whose tag no [[match]] takes, kept as MessagePack entries [EventTime, record]
// in chunks per tag that are never sent but put into dead/. Does not format. Invariant: what is
// stored is the record's bytes as they came. Loop thread. The log must outlive it.

#include <string>

#include "base/event_time.h"
#include "buffer/log.h"

namespace millrace::ingest {

class Unmatched {
 public:
  static constexpr uint64_t kChunkBytesMax = 8ULL << 20;
  static constexpr uint64_t kFlushIntervalMs = 10'000;

  explicit Unmatched(buffer::Log& log);

  void begin_request(std::string_view tag);
  void put(EventTime time, std::string_view record);
  buffer::Log& log() { return log_; }
  /// For a message that is kept as it came.
  const buffer::ChunkProfile& opaque_profile() const { return opaque_profile_; }

 private:
  buffer::Log& log_;
  buffer::ChunkProfile profile_;
  buffer::ChunkProfile opaque_profile_;
  buffer::StageTarget target_;
  std::string stage_key_;
  buffer::Metadata metadata_;
  std::string entry_;
};

}  // namespace millrace::ingest
