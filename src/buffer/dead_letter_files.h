// SPDX-License-Identifier: Apache-2.0
#pragma once

// The dead letters that lie in a log's dead/: what their .json tells, and the checked bytes of
// their .chunk. Reads only; a file that vanishes meanwhile is passed over, and one without its
// .json is unfinished or half removed. sync_given_up() and remove_dead_letter() are for who
// holds the log's LOCK. Any thread. Invariant: bytes are given out only if their length and CRC are
// those of the .json.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "buffer/chunk_reader.h"
#include "io/io.h"

namespace millrace::buffer {

constexpr uint64_t kDeadLetterBytesMax = 1ULL << 30;  // of a .chunk that is read at once

struct DeadLetterFile {
  ChunkId id;
  std::string path;               // of the .chunk
  bool has_description = false;   // a .json is there
  std::string fault;              // why it cannot be used; empty: it can
  bool unreadable = false;        // the disk does not give its .json
  uint64_t chunk_file_bytes = 0;  // on disk
  std::string reason;             // as in dead_letter_reason()
  std::string last_error;
  std::string partition_key;
  Metadata metadata;
  uint8_t payload_format = kFormatOpaque;
  uint64_t records = 0;
  uint64_t missing_records = 0;
  bool more_missing = false;
  uint64_t body_bytes = 0;  // when it was sealed
  uint64_t created_us = 0;
  uint64_t sealed_us = 0;
  uint64_t attempts = 0;
  uint64_t file_bytes = 0;  // as told
  uint32_t file_crc32c = 0;
};

/// Names of the two files of a chunk that was given up: in dead/, or wherever a secondary puts it.
struct GivenUpFiles {
  std::string directory;
  std::string delivery;     // head, body, tail
  std::string description;  // JSON

  std::string delivery_path() const { return directory + "/" + delivery; }
  std::string description_path() const { return directory + "/" + description; }
};

GivenUpFiles dead_letter_names(const std::string& log_directory, const ChunkId& id);
GivenUpFiles names_of(const DeadLetterFile& letter);
std::string dead_letter_path(const std::string& log_directory, const ChunkId& id);
/// In order. No dead/: none.
Result<std::vector<ChunkId>> list_dead_letter_ids(io::FileSystem& files,
                                                  const std::string& log_directory);
/// In order of their ids. No dead/: none.
Result<std::vector<DeadLetterFile>> list_dead_letters(io::FileSystem& files,
                                                      const std::string& log_directory);
/// The one at `path`, which ends in .chunk or .json. kInvalid: no such name.
Result<DeadLetterFile> find_dead_letter(io::FileSystem& files, const std::string& path);
/// The bytes of the delivery. kCorrupt: they are not what the .json tells.
Result<std::string> read_dead_letter(io::FileSystem& files, const DeadLetterFile& letter);
/// What lies there, and what the log gives back of the same chunk.
enum class LetterIs {
  kAbsent,
  kSame,
  kWhole,  // all of the chunk, and the log has less
  kOther,  // neither is known to hold all of the other
};
/// An error: the disk does not answer, so nobody knows.
Result<LetterIs> compare_given_up(io::FileSystem& files, const GivenUpFiles& names,
                                  const ChunkId& id, const LoadedChunk& loaded);
/// Makes both files, and their names, durable: who wrote them may have been killed before.
Result<> sync_given_up(io::FileSystem& files, const GivenUpFiles& names);
/// The .json first: what is left of a removal that is cut is a .chunk without a reason.
Result<> remove_dead_letter(io::FileSystem& files, const DeadLetterFile& letter);

}  // namespace millrace::buffer
