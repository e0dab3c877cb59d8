// SPDX-License-Identifier: Apache-2.0
#include "cli/chunk_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

const char* outcome_of(char line_kind) {
  switch (line_kind) {
    case 'C':
      return "delivered";
    case 'S':
      return "secondary";
    case 'D':
      return "dead letter";
    case 'X':
      return "dropped";
    default:
      return "";
  }
}

ChunkRow row_of(const LogPlace& place, const buffer::ViewedChunk& chunk) {
  ChunkRow row;
  row.place = &place;
  row.state = name_of(chunk.state);
  row.chunk_id = "-";
  if (chunk.found.open) {
    row.chunk_id = chunk.found.open->id.uuid();
    row.created_us = chunk.found.open->created_us;
    row.metadata = chunk.found.open->metadata;
  }
  row.records = chunk.records();
  row.bytes = chunk.body_bytes();
  if (chunk.tried) row.attempts = chunk.tried->attempts;
  if (chunk.finished) {
    row.attempts = chunk.finished->attempts;
    row.outcome = outcome_of(chunk.finished->kind);
  }
  return row;
}

ChunkRow row_of(const LogPlace& place, const buffer::DeadLetterFile& letter) {
  ChunkRow row;
  row.place = &place;
  row.state = letter.fault.empty() ? "dead" : "damaged";
  row.chunk_id = letter.id.uuid();
  row.records = letter.records;
  row.bytes = letter.body_bytes;
  row.created_us = letter.created_us;
  row.attempts = letter.attempts;
  row.outcome = letter.reason;
  row.last_error = letter.fault.empty() ? letter.last_error : letter.fault;
  row.metadata = letter.metadata;
  return row;
}

std::string table_head() {
  return fmt::format("{:36}  {:8}  {:16}  {:>6}  {:>9}  {:>11}  {:20}  {:>8}  {}\n", "CHUNK",
                     "STATE", "OUTPUT", "WORKER", "RECORDS", "BYTES", "CREATED", "ATTEMPTS",
                     "WHAT");
}

std::string table_line(const ChunkRow& row) {
  std::string what = shown(row.outcome);
  const std::string metadata = metadata_text(row.metadata);
  if (!metadata.empty()) what += (what.empty() ? "" : ", ") + metadata;
  if (!row.last_error.empty()) what += (what.empty() ? "" : ": ") + shown(row.last_error);
  const std::string created = row.created_us == 0 ? "-" : time_text(row.created_us);
  return fmt::format("{:36}  {:8}  {:16}  {:>6}  {:>9}  {:>11}  {:20}  {:>8}  {}\n", row.chunk_id,
                     row.state, shown(row.place->output), shown(row.place->worker), row.records,
                     row.bytes, created, row.attempts, what);
}

std::string json_line(const ChunkRow& row) {
  Json metadata = Json::object();
  for (const auto& [key, value] : row.metadata) {
    metadata[utf8_repaired(key)] = utf8_repaired(value);
  }
  Json json{{"chunk_id", row.chunk_id},
            {"state", row.state},
            {"output", utf8_repaired(row.place->output)},
            {"worker", utf8_repaired(row.place->worker)},
            {"directory", utf8_repaired(row.place->directory)},
            {"records", row.records},
            {"bytes", row.bytes},
            {"created_us", row.created_us},
            {"attempts", row.attempts},
            {"metadata", metadata}};
  if (!row.outcome.empty()) json[row.state == "finished" ? "outcome" : "reason"] = row.outcome;
  if (!row.last_error.empty()) json["last_error"] = utf8_repaired(row.last_error);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<ChunkRow> rows_of(const ViewedLog& log) {
  std::vector<ChunkRow> rows;
  std::vector<ChunkId> waiting;  // dead letters that housekeeping has not finished
  for (const auto& [seq, chunk] : log.view->chunks()) {
    rows.push_back(row_of(log.place, chunk));
    if (chunk.state == buffer::ChunkState::kDeadLetter) waiting.push_back(chunk.found.open->id);
  }
  for (const buffer::DeadLetterFile& letter : log.letters) {
    if (std::find(waiting.begin(), waiting.end(), letter.id) != waiting.end()) continue;
    rows.push_back(row_of(log.place, letter));
  }
  return rows;
}

}  // namespace millrace::cli
