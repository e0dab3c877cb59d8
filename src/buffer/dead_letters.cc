// SPDX-License-Identifier: Apache-2.0
#include "buffer/dead_letters.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "base/utf8.h"
#include "buffer/dead_letter_files.h"

namespace millrace::buffer {
namespace {

std::string description(const QueuedChunk& chunk, const LoadedChunk& loaded,
                        const std::string& output) {
  const OpenPayload& open = loaded.seal.open;
  nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
  for (const auto& [key, value] : open.metadata) {
    metadata[utf8_repaired(key)] = utf8_repaired(value);
  }
  nlohmann::ordered_json json = {{"chunk_id", chunk.id.hex()},
                                 {"partition_key", utf8_repaired(open.partition_key)},
                                 {"reason", dead_letter_reason(chunk)},
                                 {"records", loaded.records},
                                 {"body_bytes", loaded.seal.body_bytes},
                                 {"missing_records", loaded.missing_records},
                                 {"payload_format", open.payload_format},
                                 {"metadata", metadata},
                                 {"created_us", open.created_us},
                                 {"sealed_us", loaded.seal.sealed_us},
                                 {"attempts", chunk.attempts},
                                 {"last_error", utf8_repaired(chunk.last_error)},
                                 {"file_bytes", loaded.bytes.size()},
                                 {"file_crc32c", fmt::format("{:08x}", crc32c(loaded.bytes))}};
  if (loaded.more_missing) json["more_missing"] = true;
  if (!output.empty()) json["output"] = output;
  return json.dump(2) + "\n";
}

// What a letter had that is written anew with other bytes.
Result<> set_aside(io::FileSystem& files, const std::string& directory, const std::string& name) {
  for (const char* suffix : {".chunk", ".json"}) {
    const std::string path = directory + "/" + name + suffix;
    auto moved = files.rename(path, path + ".before");
    if (!moved && moved.error().kind != ErrorKind::kNotFound) return moved;
  }
  log::warn("buffer", "a dead letter of other bytes was there; it is kept as .before",
            {{"directory", directory}, {"chunk", name}});
  return {};
}

}  // namespace

const char* dead_letter_reason(const QueuedChunk& chunk) {
  switch (chunk.give_up) {
    case GiveUp::kRefused:
      return reason::kRefused;
    case GiveUp::kRetryLimit:
      return reason::kRetryLimit;
    case GiveUp::kByHand:
      return reason::kByHand;
    case GiveUp::kNone:
      break;
  }
  switch (chunk.dead_reason) {
    case DeadReason::kUnmatched:
      return reason::kUnmatched;
    case DeadReason::kOversize:
      return reason::kOversize;
    case DeadReason::kExpansion:
      return reason::kExpansion;
    case DeadReason::kUndecodable:
      return reason::kUndecodable;
    case DeadReason::kNone:
      break;
  }
  return "unknown";
}

Result<bool> write_dead_letter(io::FileSystem& files, const std::string& log_directory,
                               const QueuedChunk& chunk, const LoadedChunk& loaded) {
  const std::string directory = log_directory + "/dead";
  if (auto made = files.make_directories(directory); !made) return tl::unexpected(made.error());
  const std::string there = dead_letter_path(log_directory, chunk.id);
  const auto is = compare_dead_letter(files, there, loaded.bytes, loaded.records);
  if (!is) return tl::unexpected(is.error());
  Result<> done;
  if (*is == LetterIs::kWhole) {
    done = sync_dead_letter(files, there);
    return done ? Result<bool>(false) : tl::unexpected(done.error());
  }
  if (*is == LetterIs::kOther) done = set_aside(files, directory, chunk.id.hex());
  const std::string name = chunk.id.hex();
  if (done) {
    done = write_given_up(files, {directory, name + ".chunk", name + ".json"}, chunk, loaded, "");
  }
  return done ? Result<bool>(true) : tl::unexpected(done.error());
}

Result<> write_given_up(io::FileSystem& files, const GivenUpFiles& names, const QueuedChunk& chunk,
                        const LoadedChunk& loaded, const std::string& output) {
  const std::string why = description(chunk, loaded, output);
  std::array<std::pair<std::string_view, std::string_view>, 2> contents = {
      {{names.delivery, loaded.bytes}, {names.description, why}}};
  if (names.description_first) std::swap(contents[0], contents[1]);
  for (const auto& [name, bytes] : contents) {
    auto written = io::write_whole(files, names.directory + "/" + std::string(name), bytes);
    if (!written) return written;
  }
  return files.sync_directory(names.directory);
}

}  // namespace millrace::buffer
