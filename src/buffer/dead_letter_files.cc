// SPDX-License-Identifier: Apache-2.0
#include "buffer/dead_letter_files.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encoding.h"

namespace millrace::buffer {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kDescriptionBytesMax = 1ULL << 20;
constexpr std::string_view kChunkSuffix = ".chunk";
constexpr std::string_view kJsonSuffix = ".json";
constexpr size_t kIdCharacters = 32;

std::optional<ChunkId> id_of(std::string_view stem) {
  if (stem.size() != kIdCharacters) return std::nullopt;
  const auto bytes = hex_decode(stem);
  if (!bytes || hex_encode(*bytes) != stem) return std::nullopt;
  return ChunkId::from_bytes(*bytes);
}

std::string text_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t number_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

// False: it is not a description of this chunk.
bool take_description(const Json& json, DeadLetterFile& letter) {
  if (!json.is_object() || text_of(json, "chunk_id") != letter.id.hex()) return false;
  const std::string crc = text_of(json, "file_crc32c");
  const auto [end, error] =
      std::from_chars(crc.data(), crc.data() + crc.size(), letter.file_crc32c, 16);
  if (error != std::errc() || end != crc.data() + crc.size()) return false;
  letter.reason = text_of(json, "reason");
  letter.last_error = text_of(json, "last_error");
  letter.partition_key = text_of(json, "partition_key");
  letter.payload_format =
      static_cast<uint8_t>(std::min<uint64_t>(UINT8_MAX, number_of(json, "payload_format")));
  letter.records = number_of(json, "records");
  letter.missing_records = number_of(json, "missing_records");
  const auto more = json.find("more_missing");
  letter.more_missing = more != json.end() && more->is_boolean() && more->get<bool>();
  letter.body_bytes = number_of(json, "body_bytes");
  letter.created_us = number_of(json, "created_us");
  letter.sealed_us = number_of(json, "sealed_us");
  letter.attempts = number_of(json, "attempts");
  letter.file_bytes = number_of(json, "file_bytes");
  const auto metadata = json.find("metadata");
  if (metadata != json.end() && metadata->is_object()) {
    for (const auto& [key, value] : metadata->items()) {
      if (value.is_string()) letter.metadata.emplace_back(key, value.get<std::string>());
    }
  }
  return json.contains("file_bytes") && json["file_bytes"].is_number_unsigned();
}

GivenUpFiles names_in(const std::string& directory, const ChunkId& id) {
  const std::string stem = id.hex();
  return {directory, stem + std::string(kChunkSuffix), stem + std::string(kJsonSuffix)};
}

// Nothing: both files have vanished.
std::optional<DeadLetterFile> describe(io::FileSystem& files, const GivenUpFiles& names,
                                       const ChunkId& id) {
  DeadLetterFile letter;
  letter.id = id;
  letter.path = names.delivery_path();
  auto text = io::read_whole(files, names.description_path(), kDescriptionBytesMax);
  letter.has_description = text || text.error().kind != ErrorKind::kNotFound;
  auto file = files.open(letter.path, io::OpenMode::kRead);
  const bool has_chunk = file || file.error().kind != ErrorKind::kNotFound;
  if (!has_chunk && !letter.has_description) return std::nullopt;
  const auto bytes = file ? (*file)->size() : Result<uint64_t>(tl::unexpected(file.error()));
  letter.chunk_file_bytes = bytes.value_or(0);
  if (!letter.has_description) {
    letter.fault = "its .json is missing: it is being written, or half removed";
  } else if (!text && text.error().kind != ErrorKind::kInvalid) {
    letter.fault = "its .json cannot be read: " + text.error().message;
    letter.unreadable = true;
  } else if (!text || !take_description(Json::parse(*text, nullptr, false), letter)) {
    letter.fault = "its .json is damaged";
  } else if (!has_chunk) {
    letter.fault = "its .chunk is missing";
  } else if (!bytes) {
    letter.fault = "its .chunk cannot be read: " + bytes.error().message;
  } else if (letter.chunk_file_bytes != letter.file_bytes) {
    letter.fault = fmt::format("its .chunk has {} bytes, its .json tells of {}",
                               letter.chunk_file_bytes, letter.file_bytes);
  }
  return letter;
}

}  // namespace

GivenUpFiles dead_letter_names(const std::string& log_directory, const ChunkId& id) {
  return names_in(log_directory + "/dead", id);
}

GivenUpFiles names_of(const DeadLetterFile& letter) {
  return names_in(letter.path.substr(0, letter.path.find_last_of('/')), letter.id);
}

std::string dead_letter_path(const std::string& log_directory, const ChunkId& id) {
  return dead_letter_names(log_directory, id).delivery_path();
}

Result<std::vector<ChunkId>> list_dead_letter_ids(io::FileSystem& files,
                                                  const std::string& log_directory) {
  std::vector<ChunkId> ids;
  auto entries = files.list(log_directory + "/dead");
  if (!entries && entries.error().kind == ErrorKind::kNotFound) return ids;
  if (!entries) return tl::unexpected(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {  // in order: .chunk and .json side by side
    const std::string_view name = entry.name;
    const size_t dot = name.find('.');
    if (entry.directory || dot == std::string_view::npos) continue;
    const std::string_view suffix = name.substr(dot);
    const auto id = id_of(name.substr(0, dot));
    if (!id || (suffix != kChunkSuffix && suffix != kJsonSuffix)) continue;
    if (ids.empty() || ids.back() != *id) ids.push_back(*id);
  }
  return ids;
}

Result<std::vector<DeadLetterFile>> list_dead_letters(io::FileSystem& files,
                                                      const std::string& log_directory) {
  const auto ids = list_dead_letter_ids(files, log_directory);
  if (!ids) return tl::unexpected(ids.error());
  std::vector<DeadLetterFile> letters;
  for (const ChunkId& id : *ids) {
    if (auto letter = describe(files, dead_letter_names(log_directory, id), id)) {
      letters.push_back(std::move(*letter));
    }
  }
  return letters;
}

Result<DeadLetterFile> find_dead_letter(io::FileSystem& files, const std::string& path) {
  const size_t slash = path.find_last_of('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string_view name = slash == std::string::npos
                                    ? std::string_view(path)
                                    : std::string_view(path).substr(slash + 1);
  const size_t dot = std::min(name.find('.'), name.size());
  const auto id = id_of(name.substr(0, dot));
  const std::string_view suffix = name.substr(dot);
  if (!id || (suffix != kChunkSuffix && suffix != kJsonSuffix)) {
    return fail(ErrorKind::kInvalid, path + ": not the name of a dead letter");
  }
  auto letter = describe(files, names_in(directory, *id), *id);
  if (!letter) return fail(ErrorKind::kNotFound, path + ": no such file");
  return std::move(*letter);
}

Result<std::string> read_dead_letter(io::FileSystem& files, const DeadLetterFile& letter) {
  if (!letter.fault.empty()) {
    return fail(ErrorKind::kCorrupt, letter.path + ": " + letter.fault);
  }
  auto bytes = io::read_whole(files, letter.path, kDeadLetterBytesMax);
  if (!bytes) return bytes;
  if (bytes->size() != letter.file_bytes || crc32c(*bytes) != letter.file_crc32c) {
    return fail(ErrorKind::kCorrupt, letter.path + ": its bytes are not those its .json tells of");
  }
  return bytes;
}

Result<LetterIs> compare_given_up(io::FileSystem& files, const GivenUpFiles& names,
                                  const ChunkId& id, const LoadedChunk& loaded) {
  const std::string path = names.delivery_path();
  const auto there = io::read_whole(files, path, kDeadLetterBytesMax);
  if (!there && there.error().kind == ErrorKind::kNotFound) return LetterIs::kAbsent;
  if (!there) return tl::unexpected(there.error());
  if (*there == loaded.bytes) return LetterIs::kSame;
  const auto letter = describe(files, names, id);
  if (!letter) return LetterIs::kAbsent;
  if (letter->unreadable) return fail(ErrorKind::kIo, path + ": " + letter->fault);
  const bool whole = letter->fault.empty() && crc32c(*there) == letter->file_crc32c &&
                     letter->missing_records == 0 && !letter->more_missing;
  const uint64_t least = loaded.records + (loaded.more_missing ? 0 : 1);  // or its head is missing
  return whole && letter->records >= least ? LetterIs::kWhole : LetterIs::kOther;
}

Result<> sync_given_up(io::FileSystem& files, const GivenUpFiles& names) {
  for (const std::string& path : {names.delivery_path(), names.description_path()}) {
    const auto file = files.open(path, io::OpenMode::kRead);
    if (!file) return tl::unexpected(file.error());
    if (auto synced = (*file)->fsync(); !synced) return synced;
  }
  return files.sync_directory(names.directory);
}

Result<> remove_dead_letter(io::FileSystem& files, const DeadLetterFile& letter) {
  const GivenUpFiles names = names_of(letter);
  for (const std::string& path : {names.description_path(), names.delivery_path()}) {
    auto gone = files.unlink(path);
    if (!gone && gone.error().kind != ErrorKind::kNotFound) return gone;
  }
  return files.sync_directory(names.directory);
}

}  // namespace millrace::buffer
