// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "app/exit_code.h"
#include "base/utf8.h"
#include "cli/buffer_logs.h"
#include "cli/commands.h"
#include "cli/status_text.h"
#include "io/real.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Sum {
  uint64_t chunks = 0;
  uint64_t bytes = 0;
};

struct LogSums {
  std::map<std::string, Sum> states;
  uint64_t disk_bytes = 0;  // segments and spares
  uint64_t live_bytes = 0;
  uint64_t padding_bytes = 0;   // zeros that fill commits up
  uint64_t reserved_bytes = 0;  // not written yet
  uint64_t keys = 0;
  uint32_t first_epoch = 0;
  uint32_t last_epoch = 0;
  uint64_t removed_ranges = 0;
  uint64_t removed_bytes = 0;
  uint64_t missing = 0;  // places where something is wrong
  uint64_t dead_bytes = 0;
};

void add_chunks(const ViewedLog& log, LogSums& sums) {
  for (const char* state : {"staged", "queued", "dead", "finished", "damaged"}) {
    sums.states[state];
  }
  for (const auto& [seq, chunk] : log.view->chunks()) {
    Sum& sum = sums.states[name_of(chunk.state)];
    ++sum.chunks;
    sum.bytes += chunk.body_bytes();
    if (chunk.state == buffer::ChunkState::kFinished) continue;
    for (const buffer::Share& share : chunk.found.shares()) {
      sums.live_bytes += share.frame_bytes;
    }
  }
  for (const buffer::DeadLetterFile& letter : log.letters) {
    sums.dead_bytes += letter.chunk_file_bytes;
  }
}

LogSums sums_of(const ViewedLog& log) {
  LogSums sums;
  add_chunks(log, sums);
  for (const buffer::ViewedSegment& viewed : log.view->segments()) {
    const buffer::Segment& segment = viewed.segment;
    const uint64_t read = viewed.read_to - segment.base_lsn;
    const uint64_t used = buffer::kSegmentHeaderBytes + read;
    sums.disk_bytes += segment.file_bytes;
    sums.padding_bytes += read - std::min(read, viewed.group_bytes);
    sums.reserved_bytes += segment.file_bytes - std::min(segment.file_bytes, used);
    sums.keys += viewed.keys;
    if (sums.first_epoch == 0) sums.first_epoch = segment.epoch;
    sums.last_epoch = segment.epoch;
  }
  for (const io::DirectoryEntry& spare : log.view->log_files().spares) {
    sums.disk_bytes += spare.size;
    sums.reserved_bytes += spare.size;
  }
  for (const buffer::PositionLine& line : log.view->log_files().position.removed) {
    ++sums.removed_ranges;
    sums.removed_bytes += line.removed_end_lsn() - std::min(line.removed_end_lsn(), line.chunk_seq);
  }
  sums.missing = log.view->damages().size();
  return sums;
}

Json json_of(const ViewedLog& log, const LogSums& sums) {
  Json states = Json::object();
  for (const auto& [state, sum] : sums.states) {
    states[state] = Json{{"chunks", sum.chunks}, {"bytes", sum.bytes}};
  }
  return Json{{"directory", utf8_repaired(log.place.directory)},
              {"output", utf8_repaired(log.place.output)},
              {"worker", utf8_repaired(log.place.worker)},
              {"states", states},
              {"dead_letters", log.letters.size()},
              {"dead_letter_bytes", sums.dead_bytes},
              {"segments", log.view->segments().size()},
              {"disk_bytes", sums.disk_bytes},
              {"live_bytes", sums.live_bytes},
              {"padding_bytes", sums.padding_bytes},
              {"reserved_bytes", sums.reserved_bytes},
              {"keys", sums.keys},
              {"first_epoch", sums.first_epoch},
              {"last_epoch", sums.last_epoch},
              {"removed_ranges", sums.removed_ranges},
              {"removed_bytes", sums.removed_bytes},
              {"damaged_places", sums.missing}};
}

std::string text_of(const ViewedLog& log, const LogSums& sums) {
  std::string text = fmt::format("{} (output {}, worker {})\n", log.place.directory,
                                 shown(log.place.output, 256), shown(log.place.worker, 16));
  for (const auto& [state, sum] : sums.states) {
    if (sum.chunks == 0) continue;
    text += fmt::format("  {:12} {} chunks, {}\n", state, sum.chunks, bytes_text(sum.bytes));
  }
  text += fmt::format("  {:12} {} files, {}\n", "in dead/", log.letters.size(),
                      bytes_text(sums.dead_bytes));
  text += fmt::format("  {:12} {} segments, {} live, {} padding, {} reserved, {} in all\n", "disk",
                      log.view->segments().size(), bytes_text(sums.live_bytes),
                      bytes_text(sums.padding_bytes), bytes_text(sums.reserved_bytes),
                      bytes_text(sums.disk_bytes));
  text += fmt::format("  {:12} {} request keys; epochs {} to {}; {} removed ranges, {}\n", "log",
                      sums.keys, sums.first_epoch, sums.last_epoch, sums.removed_ranges,
                      bytes_text(sums.removed_bytes));
  if (sums.missing > 0) {
    text += fmt::format("  {:12} {} places; millrace buffer verify tells which\n", "damaged",
                        sums.missing);
  }
  return text;
}

}  // namespace

int buffer_stats(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  const auto places = find_logs(files, arguments);
  if (!places) return out.finish(places.error());
  int code = app::kExitFine;
  for (const LogPlace& place : *places) {
    const auto log = view_log(files, place, false);
    if (!log) {
      code = worse(code, complain_of_error(place.directory, log.error()));
      continue;
    }
    code = worse(code, log->code);
    const LogSums sums = sums_of(*log);
    out.write(arguments.json
                  ? json_of(*log, sums).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                  : text_of(*log, sums));
  }
  return out.finish(code);
}

}  // namespace millrace::cli
