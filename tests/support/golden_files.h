// SPDX-License-Identifier: Apache-2.0
#pragma once

// The golden buffers below tests/golden/buffer: directories of a log as a killed process left them,
// each file packed with gzip (preallocated zeros cost nothing so), and expected.json beside them.
// The unpacked bytes are what counts.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tests/support/bytes.h"

namespace millrace::testing {

/// Unpacked content by path below the log's directory.
using LogFilesByName = std::map<std::string, std::string>;

inline std::string golden_directory() {
  return std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/buffer";
}

inline std::string gunzip(const std::string& packed) {
  z_stream stream{};
  CHECK(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
  std::string out;
  std::string part(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(part, 0, part.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("not a whole gzip member");
  return out;
}

inline std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(golden_directory())) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline LogFilesByName read_golden(const std::string& name) {
  const std::filesystem::path top = golden_directory() + "/" + name;
  LogFilesByName files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
    if (entry.path().extension() != ".gz") continue;
    const std::string path = std::filesystem::relative(entry.path(), top);
    files[path.substr(0, path.size() - 3)] = gunzip(test::read_file(entry.path()));
  }
  return files;
}

/// What lies in a log's directory, but for what only its process can use: LOCK and spares.
inline LogFilesByName read_log_directory(const std::string& directory) {
  LogFilesByName files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string path = std::filesystem::relative(entry.path(), directory);
    if (!entry.is_regular_file() || path == "LOCK" || path.starts_with("spare.")) continue;
    files[path] = test::read_file(entry.path());
  }
  return files;
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  CHECK(file.good());
}

inline void write_log_directory(const std::string& directory, const LogFilesByName& files) {
  for (const auto& [name, bytes] : files) {
    write_file(directory + "/" + name, bytes);
  }
}

}  // namespace millrace::testing
