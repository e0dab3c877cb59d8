// SPDX-License-Identifier: Apache-2.0
#include "format/json_formatter.h"

#include <utility>

#include "base/msgpack_token.h"

namespace millrace::format {
namespace {

FormatResult unreadable(msgpack_token::Status status) {
  return {status == msgpack_token::Status::kTruncated ? FormatStatus::kTruncated
                                                      : FormatStatus::kMalformed,
          nullptr, nullptr};
}

}  // namespace

JsonFormatter::JsonFormatter(const config::Format& options)
    : injection_(options),
      mode_(options.json_compat == config::JsonCompat::kOj ? Utf8Mode::kRaw : Utf8Mode::kValid),
      append_newline_(options.append_newline),
      walk_(injection_),
      exact_(injection_) {}

FormatResult JsonFormatter::format(const char* record, const char* end, EventTime time, char* out,
                                   char* out_limit) {
  injection_.set_time(time);
  char* const limit = out_limit - (append_newline_ && out_limit > out ? 1 : 0);
  const JsonWalk::End done = mode_ == Utf8Mode::kRaw
                                 ? walk_.walk<Utf8Mode::kRaw>(record, end, out, limit)
                                 : walk_.walk<Utf8Mode::kValid>(record, end, out, limit);
  FormatResult result{FormatStatus::kOk, done.out, done.in};
  if (done.stop == JsonWalk::Stop::kDone) [[likely]] {
    counts_.add(walk_.counts());
  } else {
    result = format_exact(record, end, out, limit);
    if (result.status != FormatStatus::kOk) return result;
    counts_.add(exact_.counts());
  }
  if (append_newline_) *result.out_end++ = '\n';
  return result;
}

// The record is walked first: what follows relies on its being whole.
FormatResult JsonFormatter::format_exact(const char* record, const char* end, char* out,
                                         char* out_limit) {
  const char* record_end = record;
  msgpack_token::Status status = msgpack_token::skip(record_end, end);
  if (status != msgpack_token::Status::kOk) return unreadable(status);
  const char* at = record;
  msgpack_token::Token token;
  status = msgpack_token::read_header(at, end, token);
  if (status != msgpack_token::Status::kOk) return unreadable(status);
  if (token.type != msgpack_token::Type::kMap) return {FormatStatus::kNotMap, nullptr, record_end};
  return exact_.record(record, record_end, mode_, out, out_limit);
}

ReplacedCounts JsonFormatter::take_counts() { return std::exchange(counts_, ReplacedCounts{}); }

}  // namespace millrace::format
