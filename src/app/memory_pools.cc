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
};

Chunks chunks_of(const PoolHolders& holders) {
  Chunks chunks;
  for (const admin::OutputStatus& output : holders.outputs) {
    for (const admin::OutputWorkerStatus& log : output.workers) {
      ++chunks.logs;
      chunks.staged += log.staged_chunks;
      chunks.queued += log.queued_chunks;
      chunks.in_flight += log.in_flight;
    }
  }
  const size_t workers = holders.workers.size();
  for (size_t i = 0; i < holders.config.matches.size() && i < holders.outputs.size(); ++i) {
    const size_t adopted = holders.outputs[i].workers.size() - workers;  // a flush thread each
    chunks.flush_threads += workers * holders.config.matches[i].buffer.flush_thread_count + adopted;
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
