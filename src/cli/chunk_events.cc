// SPDX-License-Identifier: Apache-2.0
#include "cli/chunk_events.h"

#include <algorithm>
#include <string>

#include "base/encoding.h"
#include "base/msgpack_token.h"
#include "cli/event_line.h"
#include "format/json_formatter.h"
#include "input/forward/entry_reader.h"
#include "kpl/aggregate_reader.h"

namespace millrace::cli {
namespace {

namespace msgpack = millrace::msgpack_token;

constexpr size_t kLineBytesMin = 64 << 10;
constexpr size_t kLineBytesMax = 1ULL << 30;  // of one event as JSON
constexpr size_t kOpaqueBytesMax = 64 << 20;  // as base64 in one line

std::string_view tag_of(const buffer::Metadata& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key == "tag") return value;
  }
  return {};
}

// True if the bytes are MessagePack values with nothing behind them. `decimals`: each ext that
// JSON mode makes of a large integer has digits in it and nothing else.
bool are_values(std::string_view bytes, bool& decimals) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p < end) {
    msgpack::Token token;
    if (msgpack::read(p, end, token) != msgpack::Status::kOk) return false;
    if (!msgpack::is_decimal(token)) continue;
    std::string_view digits = token.bytes();
    if (digits.starts_with('-')) digits.remove_prefix(1);
    const bool number =
        !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
    decimals = decimals && number;
  }
  return true;
}

// Entries as [time, record], with time and tag put in as by default.
class EntryPrinter {
 public:
  EntryPrinter(std::string_view tag, bool decimals, Output& out)
      : formatter_(config::Format{}), out_(out) {
    formatter_.set_tag(tag);
    formatter_.take_decimals(decimals);
  }

  Result<> print(std::string_view entries) {
    input::EntryReader reader(entries, input::Shape::kEntries, EventTime{});
    input::Entry entry;
    line_.resize(kLineBytesMin);
    while (reader.next(entry)) {
      const format::FormatResult formatted = format(entry, reader.end());
      if (formatted.status != format::FormatStatus::kOk) {
        return fail(ErrorKind::kInvalid, "an entry cannot be written as JSON");
      }
      const auto bytes = static_cast<size_t>(formatted.out_end - line_.data());
      if (!out_.write(event_line(std::string_view(line_).substr(0, bytes)))) return {};
      reader.advance(formatted.record_end);
    }
    const input::EntryCounts& counts = reader.counts();
    const uint64_t passed_over =
        counts.not_an_entry + counts.not_a_map + counts.invalid_time + counts.truncated;
    if (reader.malformed() || passed_over > 0) {
      return fail(ErrorKind::kCorrupt, "some of its MessagePack values are no entries");
    }
    return {};
  }

 private:
  format::FormatResult format(const input::Entry& entry, const char* end) {
    while (true) {
      format::FormatResult formatted = formatter_.format(entry.record, end, entry.time,
                                                         line_.data(), line_.data() + line_.size());
      const bool again =
          formatted.status == format::FormatStatus::kNoSpace && line_.size() < kLineBytesMax;
      if (!again) return formatted;
      line_.resize(line_.size() * 4);
    }
  }

  format::JsonFormatter formatter_;
  Output& out_;
  std::string line_;
};

void print_records(const kpl::Aggregate& aggregate, Output& out) {
  for (const kpl::UserRecord& record : aggregate.records) {
    if (!out.write(event_line(record.data))) return;
  }
}

Result<> print_fragments(std::string_view bytes, Output& out) {
  const auto aggregate = kpl::read_aggregate(bytes);
  if (!aggregate) return tl::unexpected(aggregate.error());
  if (!*aggregate) return fail(ErrorKind::kCorrupt, "not an aggregated record");
  print_records(**aggregate, out);
  return {};
}

// Perhaps fragments: the format of a chunk is in its OPEN and SEAL, which the disk may have lost.
Result<> print_opaque(std::string_view bytes, std::string_view tag, Output& out) {
  if (const auto fragments = kpl::read_fragments(bytes); fragments && !bytes.empty()) {
    print_records(*fragments, out);
    return {};
  }
  bool decimals = true;
  if (!bytes.empty() && are_values(bytes, decimals)) {
    input::EntryReader reader(bytes, input::Shape::kEntries, EventTime{});
    input::Entry entry;
    if (reader.next(entry)) return EntryPrinter(tag, decimals, out).print(bytes);
  }
  if (bytes.size() > kOpaqueBytesMax) {
    return fail(ErrorKind::kInvalid, "these bytes are no events; --raw writes them as they are");
  }
  out.write("{\"data_base64\":\"" + base64_encode(bytes) + "\"}\n");
  return {};
}

}  // namespace

Result<> print_events(std::string_view bytes, uint8_t payload_format,
                      const buffer::Metadata& metadata, Output& out) {
  switch (payload_format) {
    case buffer::kFormatKplIndex0:
    case buffer::kFormatKplIndex1:
      return print_fragments(bytes, out);
    case buffer::kFormatMsgpackEntries: {
      bool decimals = true;
      if (!are_values(bytes, decimals)) {
        return fail(ErrorKind::kCorrupt, "its bytes are no MessagePack values");
      }
      return EntryPrinter(tag_of(metadata), decimals, out).print(bytes);
    }
    case buffer::kFormatOpaque:
      return print_opaque(bytes, tag_of(metadata), out);
    default:
      return fail(ErrorKind::kInvalid,
                  "this version does not know its payload format; --raw writes the bytes");
  }
}

}  // namespace millrace::cli
