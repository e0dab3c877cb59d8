// SPDX-License-Identifier: Apache-2.0
#include "admin/status.h"

#include <nlohmann/json.hpp>

namespace millrace::admin {
namespace {

using Json = nlohmann::ordered_json;

const char* state_word(State state) {
  switch (state) {
    case State::kRecovering:
      return "recovering";
    case State::kRunning:
      return "running";
    case State::kStopping:
      break;
  }
  return "stopping";
}

Json source_json(const SourceStatus& source) {
  return Json{{"id", source.id},
              {"type", source.type},
              {"bind", source.bind},
              {"port", source.port},
              {"connections", source.connections}};
}

Json worker_json(const OutputWorkerStatus& worker) {
  return Json{{"worker", worker.worker},
              {"staged_chunks", worker.staged_chunks},
              {"queued_chunks", worker.queued_chunks},
              {"in_flight", worker.in_flight},
              {"staged_bytes", worker.staged_bytes},
              {"queued_bytes", worker.queued_bytes},
              {"segments", worker.segments},
              {"disk_bytes", worker.disk_bytes},
              {"state", worker.state},
              {"last_error", worker.last_error}};
}

Json output_json(const OutputStatus& output) {
  Json workers = Json::array();
  for (const OutputWorkerStatus& worker : output.workers) workers.push_back(worker_json(worker));
  Json json{{"id", output.id}, {"type", output.type}};
  if (output.breaker) {
    json["breaker"] = Json{{"state", output.breaker->state},
                           {"since_ms", output.breaker->since_ms},
                           {"next_probe_ms", output.breaker->next_probe_ms},
                           {"opens", output.breaker->opens},
                           {"probes", output.breaker->probes},
                           {"last_error", output.breaker->last_error}};
  }
  json["workers"] = std::move(workers);
  return json;
}

Json pool_json(const PoolStatus& pool) {
  const Json limit = pool.limit ? Json(*pool.limit) : Json(nullptr);
  return Json{{"name", pool.name}, {"unit", pool.unit}, {"used", pool.used}, {"limit", limit}};
}

}  // namespace

std::string status_json(const Status& status) {
  Json sources = Json::array();
  for (const SourceStatus& source : status.sources) sources.push_back(source_json(source));
  Json outputs = Json::array();
  for (const OutputStatus& output : status.outputs) outputs.push_back(output_json(output));
  Json pools = Json::array();
  for (const PoolStatus& pool : status.pools) pools.push_back(pool_json(pool));
  Json memory{{"resident_bytes", status.resident_bytes}, {"pools", std::move(pools)}};
  const Json whole{{"version", status.version},         {"pid", status.pid},
                   {"state", state_word(status.state)}, {"sources", std::move(sources)},
                   {"outputs", std::move(outputs)},     {"left_buffers", status.left_buffers},
                   {"memory", std::move(memory)}};
  return whole.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace millrace::admin
