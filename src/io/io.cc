// SPDX-License-Identifier: Apache-2.0
#include "io/io.h"

namespace millrace::io {

Result<std::string> read_whole(FileSystem& files, const std::string& path, uint64_t size_max) {
  auto file = files.open(path, OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  if (*size > size_max) {
    return fail(ErrorKind::kInvalid, path + ": " + std::to_string(*size) + " bytes, at most " +
                                         std::to_string(size_max) + " are read");
  }
  std::string text(*size, '\0');
  const auto got = (*file)->pread(text.data(), text.size(), 0);
  if (!got) return tl::unexpected(got.error());
  text.resize(*got);
  return text;
}

namespace {

Result<> write_new(FileSystem& files, const std::string& path, std::string_view bytes) {
  auto file = files.open(path, OpenMode::kCreate);
  if (!file) return tl::unexpected(file.error());
  if (auto written = (*file)->pwrite(bytes, 0); !written) return written;
  return (*file)->fdatasync();
}

}  // namespace

Result<> write_whole(FileSystem& files, const std::string& path, std::string_view bytes) {
  const size_t name = path.find_last_of('/') + 1;  // 0 without a slash
  const std::string temporary = path.substr(0, name) + "." + path.substr(name) + ".tmp";
  auto there = files.exists(temporary);
  if (!there) return tl::unexpected(there.error());
  if (*there) {
    if (auto gone = files.unlink(temporary); !gone) return gone;
  }
  auto written = write_new(files, temporary, bytes);
  if (written) written = files.rename(temporary, path);
  if (!written) (void)files.unlink(temporary);  // its blocks may be the disk's last
  return written;
}

}  // namespace millrace::io
