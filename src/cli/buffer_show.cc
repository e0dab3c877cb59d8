// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/exit_code.h"
#include "base/encoding.h"
#include "base/utf8.h"
#include "cli/chunk_row.h"
#include "cli/chunk_search.h"
#include "cli/commands.h"
#include "io/real.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* seal_reason(buffer::SealReason reason) {
  constexpr const char* kNames[] = {"full",   "interval", "immediate", "timekey",
                                    "forced", "shutdown", "recovery",  "reclaim"};
  return kNames[static_cast<size_t>(reason) - 1];
}

Json place_of_frame(const buffer::LogView& view, uint64_t lsn) {
  Json json{{"lsn", fmt::format("{:016x}", lsn)}};
  const auto segment = lsn == buffer::kNoLsn ? std::nullopt : view.segment_of(lsn);
  if (!segment) {
    json["missing"] = true;
    return json;
  }
  json["file"] = segment->name;
  json["offset"] = buffer::kSegmentHeaderBytes + (lsn - segment->base_lsn);
  return json;
}

Json line_json(const buffer::LogView& view, const buffer::PositionLine& line) {
  std::string text = encode(line, view.crc());
  text.pop_back();
  return text;
}

void add_open(const buffer::OpenPayload& open, Json& json) {
  Json metadata = Json::object();
  for (const auto& [key, value] : open.metadata) {
    metadata[utf8_repaired(key)] = utf8_repaired(value);
  }
  json["partition_key"] = utf8_repaired(open.partition_key);
  json["metadata"] = metadata;
  json["created"] = time_text(open.created_us);
  json["created_us"] = open.created_us;
  json["kind"] = open.kind == buffer::ChunkKind::kDeliver ? "deliver" : "dead letter";
  json["payload_format"] = payload_format_text(open.payload_format);
  json["head_bytes"] = open.head.size();
  json["head"] = hex_encode(open.head);
  json["tail"] = open.tail == buffer::TailKind::kMd5 ? "MD5" : "none";
}

void add_frames(const FoundPlace& found, const buffer::LoadedChunk& loaded, Json& json) {
  const buffer::LogView& view = *found.log->view;
  Json frames = Json::array();
  for (const uint64_t lsn : loaded.seal.frame_lsns) {
    frames.push_back(place_of_frame(view, lsn));
  }
  json["open"] = place_of_frame(view, found.chunk->open_lsn);
  if (found.chunk->found.sealed) {
    json["seal"] = place_of_frame(view, found.chunk->found.seal_lsn);
    json["sealed"] = time_text(loaded.seal.sealed_us);
    json["seal_reason"] = seal_reason(loaded.seal.reason);
  }
  json["delivery_bytes"] = loaded.bytes.size();
  json["damaged"] = loaded.damaged;
  if (loaded.damaged) {
    json["missing_records"] = loaded.missing_records;
    json["missing_bytes"] = loaded.missing_bytes;
  }
  json["data_frames"] = frames;
}

Json describe(const LogPlace& place, const ChunkRow& row) {
  return Json{{"chunk_id", row.chunk_id},
              {"state", row.state},
              {"output", utf8_repaired(place.output)},
              {"worker", utf8_repaired(place.worker)},
              {"directory", utf8_repaired(place.directory)},
              {"records", row.records},
              {"body_bytes", row.bytes},
              {"attempts", row.attempts}};
}

Json describe_letter(const LogPlace& place, const buffer::DeadLetterFile& letter) {
  Json json = describe(place, row_of(place, letter));
  Json metadata = Json::object();
  for (const auto& [key, value] : letter.metadata) metadata[key] = value;
  json["reason"] = letter.reason;
  json["last_error"] = letter.last_error;
  json["missing_records"] = letter.missing_records;
  json["partition_key"] = letter.partition_key;
  json["metadata"] = metadata;
  json["created"] = time_text(letter.created_us);
  json["created_us"] = letter.created_us;
  json["sealed"] = time_text(letter.sealed_us);
  json["payload_format"] = payload_format_text(letter.payload_format);
  json["delivery_bytes"] = letter.chunk_file_bytes;
  json["file"] = utf8_repaired(letter.path);
  if (!letter.fault.empty()) json["damaged"] = letter.fault;
  return json;
}

// "name: value" a line; a list has a line for each of its elements.
void write_text(const Json& json, Output& out) {
  const auto value_text = [](const Json& value) {
    return shown(value.is_string() ? value.get<std::string>()
                                   : value.dump(-1, ' ', false, Json::error_handler_t::replace),
                 4096);
  };
  for (const auto& [name, value] : json.items()) {
    if (!value.is_array()) {
      out.write(fmt::format("{:16} {}\n", name + ":", value_text(value)));
      continue;
    }
    for (size_t i = 0; i < value.size(); ++i) {
      out.write(fmt::format("{:16} {}\n", fmt::format("frame {}:", i + 1), value_text(value[i])));
    }
  }
}

int describe_chunk(const FoundPlace& found, Json& json) {
  const buffer::ViewedChunk& chunk = *found.chunk;
  const ChunkRow row = row_of(found.log->place, chunk);
  json = describe(found.log->place, row);
  json["chunk_seq"] = fmt::format("{:016x}", chunk.seq);
  json["epoch"] = chunk.seq >> buffer::kEpochShift;
  if (!row.outcome.empty()) json["outcome"] = row.outcome;
  if (chunk.finished) json["position_line"] = line_json(*found.log->view, *chunk.finished);
  if (chunk.tried) json["attempts_line"] = line_json(*found.log->view, *chunk.tried);
  if (chunk.found.open) add_open(*chunk.found.open, json);
  buffer::LoadedChunk loaded;
  auto read = found.log->view->load(chunk, loaded);
  if (!read) {
    json["unreadable"] = utf8_repaired(read.error().message);
    return read.error().kind == ErrorKind::kNotFound ? app::kExitFine : app::kExitBadData;
  }
  add_frames(found, loaded, json);
  return loaded.damaged && !chunk.finished ? app::kExitBadData : app::kExitFine;
}

}  // namespace

int buffer_show(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  int code = app::kExitFine;
  for (const std::string& name : arguments.buffer.chunks) {
    const auto found = find_chunk(files, arguments, name);
    if (!found) {
      code = worse(code, found.error());
      continue;
    }
    Json json;
    if (found->letter) {
      json = describe_letter(found->log->place, *found->letter);
      if (!found->letter->fault.empty()) code = worse(code, app::kExitBadData);
    } else {
      code = worse(code, describe_chunk(*found, json));
    }
    if (arguments.json) {
      out.write(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    } else {
      write_text(json, out);
    }
  }
  return out.finish(code);
}

}  // namespace millrace::cli
