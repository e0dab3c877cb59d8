// SPDX-License-Identifier: Apache-2.0
#include "app/memory_pools.h"

#include "ingest/pool_gate.h"

namespace millrace::app {
namespace {

using admin::PoolStatus;

struct Chunks {
  uint64_t logs = 0;
  uint64_t staged = 0;
  uint64_t queued = 0;  // dead letters too
  uint64_t in_flight = 0;
  uint64_t flush_threads = 0;

  void add(const buffer::LogStatus& log) {
    ++logs;
    staged += log.staged_chunks;
    queued += log.queue.queued + log.queue.dead_letters;
    in_flight += log.queue.in_flight;
  }
};

Chunks chunks_of(const PoolHolders& holders) {
  Chunks chunks;
  for (const auto& worker : holders.workers) {
    for (const auto& log : worker->logs()) chunks.add(log->status());
  }
  for (size_t i = 0; i <= holders.config.matches.size(); ++i) {
    for (const AdoptedLogs::Status& adopted : holders.adopted.status(i)) {
      chunks.add(adopted.log);
      ++chunks.flush_threads;
    }
  }
  for (const config::Match& match : holders.config.matches) {
    chunks.flush_threads += holders.workers.size() * match.buffer.flush_thread_count;
  }
  return chunks;
}

uint64_t receive_limit(const PoolHolders& holders) {
  uint64_t bytes = 0;
  for (const config::ForwardSource& source : holders.config.sources) {
    bytes += source.receive_memory_limit * holders.workers.size();
  }
  return bytes;
}

uint64_t connection_limit(const PoolHolders& holders) {
  uint64_t connections = 0;
  for (const config::ForwardSource& source : holders.config.sources) {
    connections += source.connection_limit;
  }
  return connections;
}

}  // namespace

std::vector<PoolStatus> memory_pools(const PoolHolders& holders, uint64_t running_ms) {
  using metrics::Metric;
  const Chunks chunks = chunks_of(holders);
  uint64_t commit_bytes = 0;
  for (const auto& worker : holders.workers) commit_bytes += worker->commit_bytes();
  return {
      {.name = "connections",
       .unit = "connections",
       .used = holders.registry.total(Metric::kConnections),
       .limit = connection_limit(holders)},
      {.name = "receive",
       .unit = "bytes",
       .used = holders.registry.total(Metric::kReceiveBytes),
       .limit = receive_limit(holders)},
      {.name = "commits",
       .unit = "bytes",
       .used = commit_bytes,
       .limit = ingest::PoolGate::kBytesMax * holders.workers.size()},
      {.name = "request keys",
       .unit = "keys",
       .used = holders.shared.keys.status(running_ms).entries,
       .limit = buffer::KeyTable::kEntriesMax},
      {.name = "staged",
       .unit = "chunks",
       .used = chunks.staged,
       .limit = chunks.logs * buffer::Appender::kStagedChunksMax},
      // As many as fit into total_limit_size on disk.
      {.name = "queued", .unit = "chunks", .used = chunks.queued, .limit = std::nullopt},
      {.name = "in flight",
       .unit = "chunks",
       .used = chunks.in_flight,
       .limit = chunks.flush_threads},
  };
}

}  // namespace millrace::app
