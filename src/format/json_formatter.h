// SPDX-License-Identifier: Apache-2.0
#pragma once

// One MessagePack record becomes one JSON object, in one pass, straight into the caller's bytes.
// Knows neither entries nor chunks. The output of a record depends on nothing but the options, the
// tag, the time and the record, so formatting again after kNoSpace gives the same bytes.
// Rules: reference is what Fluentd writes with Oj in compat mode; json_compat "valid" differs where
// that is no JSON (invalid UTF-8, NaN, infinities). Equal keys: last value, first place.
// Owned by one thread; about 25 KiB, made once per output.
// Invariant: counts_ changes only when format() returns kOk.

#include <string_view>

#include "base/event_time.h"
#include "config/model.h"
#include "format/format_result.h"
#include "format/injection.h"
#include "format/json_exact.h"
#include "format/json_walk.h"

namespace millrace::format {

class JsonFormatter {
 public:
  explicit JsonFormatter(const config::Format& options);
  JsonFormatter(const JsonFormatter&) = delete;  // the walks refer to injection_
  JsonFormatter& operator=(const JsonFormatter&) = delete;

  /// The tag of the records to come. Invalid UTF-8 in it becomes U+FFFD.
  void set_tag(std::string_view tag) { injection_.set_tag(tag); }

  /// Whether an ext of kExtDecimal in the records to come is an integer, to be written as its
  /// digits. Never for what a client packed: the digits are not looked at.
  void take_decimals(bool take) {
    walk_.take_decimals(take);
    exact_.take_decimals(take);
  }

  /// Formats the value at `record`; `end` is the end of the input, not of the record. Bytes between
  /// the result's out_end and `out_limit` may be overwritten, nothing beyond. kNoSpace says exactly
  /// that the JSON of a whole record is longer than out_limit - out.
  FormatResult format(const char* record, const char* end, EventTime time, char* out,
                      char* out_limit);

  /// What was replaced in the records formatted since the last call.
  ReplacedCounts take_counts();

 private:
  FormatResult format_exact(const char* record, const char* end, char* out, char* out_limit);

  Injection injection_;
  Utf8Mode mode_;
  bool append_newline_;
  ReplacedCounts counts_;
  JsonWalk walk_;
  JsonExact exact_;
};

}  // namespace millrace::format
