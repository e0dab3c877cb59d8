// SPDX-License-Identifier: Apache-2.0
#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "config/units.h"

namespace millrace::cli {
namespace {

constexpr size_t kReadBytes = 64 << 10;

}  // namespace

// False at the end of the input.
Result<bool> LineReader::read_more() {
  if (at_end_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
  }
  const size_t before = buffer_.size();
  buffer_.resize(before + kReadBytes);
  ssize_t count = 0;
  do {
    count = ::read(fd_, buffer_.data() + before, kReadBytes);
  } while (count < 0 && errno == EINTR);
  const int error = errno;
  buffer_.resize(before + (count > 0 ? static_cast<size_t>(count) : 0));
  if (count < 0) return fail_errno(error, "cannot read");
  at_end_ = count == 0;
  return !at_end_;
}

Result<std::optional<std::string_view>> LineReader::next() {
  ++line_number_;
  for (;;) {
    const size_t newline = buffer_.find('\n', searched_);
    if (newline != std::string::npos) {
      const std::string_view line = std::string_view(buffer_).substr(begin_, newline - begin_);
      begin_ = searched_ = newline + 1;
      ended_with_newline_ = true;
      if (line.size() > line_bytes_max_) break;
      return line;
    }
    searched_ = buffer_.size();
    if (buffer_.size() - begin_ > line_bytes_max_) break;
    const Result<bool> more = read_more();
    if (!more) return tl::unexpected(more.error());
    if (*more) continue;
    if (begin_ == buffer_.size()) return std::nullopt;
    const std::string_view line = std::string_view(buffer_).substr(begin_);
    begin_ = searched_ = buffer_.size();
    ended_with_newline_ = false;
    return line;
  }
  return fail(ErrorKind::kInvalid,
              "the line is longer than " + config::size_text(line_bytes_max_) + " bytes");
}

bool LineReader::has_line() const { return buffer_.find('\n', searched_) != std::string::npos; }

bool LineReader::is_ready() const {
  if (at_end_) return true;
  pollfd waiting{fd_, POLLIN, 0};
  return ::poll(&waiting, 1, 0) != 0;
}

Result<std::string_view> LineReader::peek(size_t bytes_max) {
  size_t looked_at = 0;  // bytes from begin_ without a newline
  for (;;) {
    const size_t newline = buffer_.find('\n', begin_ + looked_at);
    looked_at = newline == std::string::npos ? buffer_.size() - begin_ : newline - begin_;
    if (newline != std::string::npos || looked_at >= bytes_max) break;
    const Result<bool> more = read_more();
    if (!more) return tl::unexpected(more.error());
    if (!*more) break;
  }
  return std::string_view(buffer_).substr(begin_, std::min(bytes_max, looked_at));
}

Result<std::string> LineReader::take_all(size_t bytes_max) {
  while (buffer_.size() - begin_ <= bytes_max) {
    const Result<bool> more = read_more();
    if (!more) return tl::unexpected(more.error());
    if (!*more) {
      std::string all = buffer_.substr(begin_);
      begin_ = searched_ = buffer_.size();
      return all;
    }
  }
  return fail(ErrorKind::kInvalid, "larger than " + config::size_text(bytes_max) + " bytes");
}

}  // namespace millrace::cli
