// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the service tells about itself on GET /status: plain structs, filled by app, and their JSON.
// The names are those of the JSON and stay as they are; more may be added. Values; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::admin {

enum class State : uint8_t { kRecovering, kRunning, kStopping };

struct SourceStatus {
  std::string id;
  std::string type;
  std::string bind;
  uint16_t port = 0;  // the one that is bound, also when the configuration says 0
  uint64_t connections = 0;
};

/// One output in one worker.
struct OutputWorkerStatus {
  uint32_t worker = 0;
  uint64_t staged_chunks = 0;
  uint64_t queued_chunks = 0;
  uint64_t in_flight = 0;
  uint64_t staged_bytes = 0;
  uint64_t queued_bytes = 0;
  uint64_t segments = 0;
  uint64_t disk_bytes = 0;
  std::string state;       // of its buffer and breaker, in one word
  std::string last_error;  // "": none so far
};

/// Whether an output may be asked; of all workers together.
struct BreakerStatus {
  std::string state = "closed";  // or throttled, open, probing, ramping
  uint64_t since_ms = 0;         // so long ago
  uint64_t next_probe_ms = 0;    // so far ahead, while it is open
  uint64_t opens = 0;
  uint64_t probes = 0;
  std::string last_error;  // "": the last attempt was none
};

struct OutputStatus {
  std::string id;
  std::string type;
  std::optional<BreakerStatus> breaker;  // none: nothing is sent
  std::vector<OutputWorkerStatus> workers;
};

/// A pool of memory, of all workers together.
struct PoolStatus {
  std::string name;
  std::string unit;  // of used and limit: bytes, chunks ...
  uint64_t used = 0;
  std::optional<uint64_t> limit;  // none: disk space bounds it
};

struct Status {
  std::string version;
  int64_t pid = 0;
  State state = State::kRecovering;
  std::vector<SourceStatus> sources;
  std::vector<OutputStatus> outputs;
  std::vector<std::string> left_buffers;  // directories that no output uses
  uint64_t resident_bytes = 0;            // of the process
  std::vector<PoolStatus> pools;
};

/// One JSON object and a newline. Bytes that are not UTF-8 are replaced.
std::string status_json(const Status& status);

}  // namespace millrace::admin
