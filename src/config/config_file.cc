// SPDX-License-Identifier: Apache-2.0
#include "config/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"
#include "config/units.h"

namespace millrace::config {

Result<ConfigFile> read_config_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return fail_errno(errno, "cannot read it");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "cannot read it");
  ConfigFile file;
  file.name = path;
  file.world_readable = S_ISREG(info.st_mode) && (info.st_mode & S_IROTH) != 0;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot read it");
    if (count == 0) return file;
    file.text.append(buffer, static_cast<size_t>(count));
    if (file.text.size() > kConfigBytesMax) {
      return fail(ErrorKind::kInvalid, "larger than " + size_text(kConfigBytesMax) + " bytes");
    }
  }
}

std::string_view line_of(std::string_view text, uint32_t number) {
  for (uint32_t i = 1; i < number; ++i) {
    const size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return {};
    text.remove_prefix(newline + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

}  // namespace millrace::config
