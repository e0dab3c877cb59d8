// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a start finds in a log's files: each chunk as it would be delivered, and what it told.

#include <atomic>
#include <map>
#include <string>

#include "buffer/key_table.h"
#include "buffer/log.h"
#include "tests/support/golden_files.h"
#include "tests/support/memory_files.h"
#include "tests/support/scripted_io.h"

namespace millrace::testing {

struct Stored {
  std::string bytes;
  std::string partition_key;
  uint64_t records = 0;
  uint32_t failures = 0;  // of attempts to deliver, in earlier lives
  bool whole = true;      // no frame is missing or bad
  bool nameless = false;  // its OPEN was lost, and its id with it: a dead letter
  bool resealed = false;  // by a recovery, which cannot know of frames lost at its end
};
using StoredById = std::map<std::string, Stored>;

struct Drained {
  bool opened = false;
  StoredById chunks;
  bool told = false;  // of anything torn, corrupt, missing or damaged
};

/// What becomes of the chunks that are read.
enum class Then { kFinish, kCrash };

/// Opens the log with these files put to what there is, and reads what is queued; finishes it, as
/// a process and its housekeeping would, or not. `keys`: takes the request keys that are found.
inline Drained drain(const LogFilesByName& logged, MemoryFileSystem& files,
                     Then then = Then::kFinish, buffer::KeyTable* keys = nullptr,
                     uint64_t key_seed = 0) {
  using metrics::Metric;
  for (const auto& [name, bytes] : logged) {
    files.put("/log/" + name, bytes);
  }
  ScriptedClock clock;
  ScriptedRandom random;
  metrics::Registry registry;
  buffer::BlockPool pool;
  const std::atomic<bool> interrupted{false};
  Drained out;
  auto log = buffer::Log::open(io::Io{files, clock, random},
                               buffer::LogSettings{.directory = "/log",
                                                   .output_id = "o",
                                                   .total_limit_bytes = 1,
                                                   .key_seed = key_seed,
                                                   .keys = keys,
                                                   .key_bit = 1},
                               pool, registry, interrupted);
  if (!log) return out;
  out.opened = true;
  buffer::ChunkReader reader = (*log)->make_reader();
  buffer::LoadedChunk loaded;
  const auto keep = [&](const buffer::QueuedChunk& chunk, buffer::Finish outcome) {
    if (reader.read(chunk, loaded)) {
      out.chunks[chunk.id.hex()] = {
          .bytes = loaded.bytes,
          .partition_key = loaded.seal.open.partition_key,
          .records = loaded.records,
          .failures = chunk.failures,
          .whole = !loaded.damaged && !chunk.damaged,
          .nameless = chunk.dead_reason == buffer::DeadReason::kUndecodable,
          .resealed = loaded.seal.reason == buffer::SealReason::kRecovery};
    }
    if (then == Then::kFinish) (*log)->finish(chunk, outcome);
  };
  while ((*log)->queue().counts().due > 0) {
    keep(*(*log)->queue().take(), buffer::Finish::kDelivered);
  }
  while (const auto chunk = (*log)->queue().take_dead_letter()) {
    keep(*chunk, buffer::Finish::kDeadLetter);
  }
  for (const Metric metric : {Metric::kTornBytes, Metric::kCorruptBytes, Metric::kMissingSegments,
                              Metric::kDamagedChunks}) {
    out.told = out.told || registry.total(metric) > 0;
  }
  if (then == Then::kCrash) return out;
  (*log)->tend();
  (*log)->tend();
  return out;
}

}  // namespace millrace::testing
