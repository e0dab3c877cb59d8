// SPDX-License-Identifier: Apache-2.0
#include "cli/record_source.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/encoding.h"
#include "cli/line_reader.h"
#include "kpl/aggregate_reader.h"
#include "kpl/kpl_format.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::json;

// A record of 10 MiB as base64 with its other members; GetRecords gives at most 10 MiB of data.
constexpr size_t kLineBytesMax = 32 << 20;
constexpr size_t kDocumentBytesMax = 64 << 20;

std::string text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The library takes a NUL byte for the end of the text; a disk that lost a block leaves some.
Json json_of(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return Json::value_t::discarded;
  return Json::parse(text, nullptr, false);
}

bool has_data(const Json& json) {
  return json.is_object() && json.contains("Data") && json["Data"].is_string();
}
bool has_records(const Json& json) {
  return json.is_object() && json.contains("Records") && json["Records"].is_array();
}

class Source {
 public:
  Source(int fd, const std::string& name, const RecordVisitor& visitor)
      : lines_(fd, kLineBytesMax), name_(name), visitor_(visitor) {}

  Result<> read() {
    const Result<std::string_view> start = lines_.peek(kpl::kMagic.size());
    if (!start) return tl::unexpected(start.error());
    if (*start == kpl::kMagic) return read_bytes();
    const Result<std::string_view> peeked = lines_.peek(kLineBytesMax);
    if (!peeked) return tl::unexpected(peeked.error());
    const Json first = Json::parse(*peeked, nullptr, false);
    if (has_data(first) || has_records(first)) return read_lines();
    // The only line of a stream that is being written, or whose disk was full.
    if (first.is_discarded() && peeked->substr(0, 18) == "{\"SequenceNumber\":") {
      return read_lines();
    }
    if (first.is_discarded() && peeked->substr(0, 1) == "{") return read_document();
    return read_bytes();
  }

 private:
  Result<> read_bytes() {
    Result<std::string> all = lines_.take_all(kpl::kAggregateBytesMax);
    if (!all && all.error().kind != ErrorKind::kInvalid) return tl::unexpected(all.error());
    if (!all) {
      visitor_.damaged(name_, all.error().message);
    } else if (!all->empty()) {
      visitor_.record({name_, {}, {}, *std::move(all)});
    }
    return {};
  }

  Result<> read_lines() {
    for (;;) {
      const auto line = lines_.next();
      const std::string place = name_ + ":" + std::to_string(lines_.line_number());
      if (!line) {
        if (line.error().kind != ErrorKind::kInvalid) return tl::unexpected(line.error());
        visitor_.damaged(place, line.error().message);
        return {};
      }
      if (!*line) return {};
      if ((*line)->find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (!take_line(**line, place)) return {};
    }
  }

  // False: the visitor has enough.
  bool take_line(std::string_view line, const std::string& place) {
    const Json json = json_of(line);
    if (has_records(json)) return take_records(json["Records"], place);
    if (has_data(json)) return take_record(json, place);
    const char* reason = "the line has neither Data nor Records";
    if (json.is_discarded()) reason = "the line is not JSON";
    if (json.is_discarded() && !lines_.ended_with_newline()) reason = "the line is cut short";
    visitor_.damaged(place, reason);
    return true;
  }

  // A GetRecords reply written over several lines. Something else in braces is a record as it is.
  Result<> read_document() {
    Result<std::string> all = lines_.take_all(kDocumentBytesMax);
    if (!all && all.error().kind != ErrorKind::kInvalid) return tl::unexpected(all.error());
    if (!all) {
      visitor_.damaged(name_, all.error().message);
      return {};
    }
    const Json json = json_of(*all);
    if (has_records(json)) {
      take_records(json["Records"], name_);
    } else if (has_data(json)) {
      take_record(json, name_);
    } else if (json.is_discarded() && all->find("\"Records\"") != std::string::npos) {
      visitor_.damaged(name_, "the JSON does not end, or is not JSON");
    } else {
      visitor_.record({name_, {}, {}, *std::move(all)});
    }
    return {};
  }

  bool take_records(const Json& records, const std::string& place) {
    for (size_t i = 0; i < records.size(); ++i) {
      const std::string own = place + ": Records[" + std::to_string(i) + "]";
      if (!has_data(records[i])) {
        visitor_.damaged(own, "it has no Data");
      } else if (!take_record(records[i], own)) {
        return false;
      }
    }
    return true;
  }

  bool take_record(const Json& json, const std::string& place) {
    std::optional<std::string> data = base64_decode(json["Data"].get_ref<const std::string&>());
    if (!data) {
      visitor_.damaged(place, "Data is not base64");
      return true;
    }
    return visitor_.record({place, text_member(json, "PartitionKey"),
                            text_member(json, "SequenceNumber"), *std::move(data)});
  }

  LineReader lines_;
  const std::string& name_;
  const RecordVisitor& visitor_;
};

}  // namespace

Result<> read_kinesis_records(int fd, const std::string& name, const RecordVisitor& visitor) {
  return Source(fd, name, visitor).read();
}

}  // namespace millrace::cli
