// SPDX-License-Identifier: Apache-2.0
#include "buffer/dead_letters.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "base/utf8.h"

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

constexpr int kBeforeMax = 1000;  // then the last is replaced

// A suffix that neither file has yet.
Result<std::string> free_suffix(io::FileSystem& files, const GivenUpFiles& names) {
  std::string suffix = ".before";
  for (int n = 2; n <= kBeforeMax; ++n) {
    const auto delivery = files.exists(names.delivery_path() + suffix);
    if (!delivery) return tl::unexpected(delivery.error());
    const auto description = files.exists(names.description_path() + suffix);
    if (!description) return tl::unexpected(description.error());
    if (!*delivery && !*description) break;
    suffix = fmt::format(".before{}", n);
  }
  return suffix;
}

// What a letter had that is written anew with other bytes.
Result<> set_aside(io::FileSystem& files, const GivenUpFiles& names) {
  const auto suffix = free_suffix(files, names);
  if (!suffix) return tl::unexpected(suffix.error());
  for (const std::string& path : {names.delivery_path(), names.description_path()}) {
    auto moved = files.rename(path, path + *suffix);
    if (!moved && moved.error().kind != ErrorKind::kNotFound) return moved;
  }
  log::warn("buffer", "a file of this chunk with other bytes was there; it is kept as .before",
            {{"path", names.delivery_path() + *suffix}});
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
  const GivenUpFiles names = dead_letter_names(log_directory, chunk.id);
  if (auto made = files.make_directories(names.directory); !made) {
    return tl::unexpected(made.error());
  }
  const auto whole = keep_what_is_there(files, names, chunk.id, loaded);
  if (!whole) return whole;
  if (*whole) return false;
  const auto written = write_given_up(files, names, chunk, loaded, "", false);
  return written ? Result<bool>(true) : tl::unexpected(written.error());
}

Result<bool> keep_what_is_there(io::FileSystem& files, const GivenUpFiles& names, const ChunkId& id,
                                const LoadedChunk& loaded) {
  const auto is = compare_given_up(files, names, id, loaded);
  if (!is) return tl::unexpected(is.error());
  Result<> done;
  if (*is == LetterIs::kWhole) done = sync_given_up(files, names);
  if (*is == LetterIs::kOther) done = set_aside(files, names);
  return done ? Result<bool>(*is == LetterIs::kWhole) : tl::unexpected(done.error());
}

Result<> write_given_up(io::FileSystem& files, const GivenUpFiles& names, const QueuedChunk& chunk,
                        const LoadedChunk& loaded, const std::string& output,
                        bool description_first) {
  const std::string why = description(chunk, loaded, output);
  std::array<std::pair<std::string, std::string_view>, 2> contents = {
      {{names.delivery_path(), loaded.bytes}, {names.description_path(), why}}};
  if (description_first) std::swap(contents[0], contents[1]);
  for (const auto& [path, bytes] : contents) {
    auto written = io::write_whole(files, path, bytes);
    if (!written) return written;
  }
  return files.sync_directory(names.directory);
}

}  // namespace millrace::buffer
