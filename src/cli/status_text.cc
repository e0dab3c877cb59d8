// SPDX-License-Identifier: Apache-2.0
#include "cli/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/buffer_logs.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

uint64_t number(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

// A text of the service in one line; it may hold what a server on the network said.
std::string word(const Json& object, const char* name) {
  const auto found = object.find(name);
  std::string text = found != object.end() && found->is_string() ? found->get<std::string>() : "";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

const Json& list(const Json& object, const char* name) {
  static const Json kNone = Json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kNone;
}

std::string counted(uint64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// Columns as wide as their widest cell, two blanks between them.
std::string table(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string sources_text(const Json& status) {
  std::vector<Row> rows;
  for (const Json& source : list(status, "sources")) {
    const std::string bind = word(source, "bind");
    const bool v6 = bind.find(':') != std::string::npos;
    rows.push_back(
        {"in", word(source, "id"),
         fmt::format("{}{}{}:{}", v6 ? "[" : "", bind, v6 ? "]" : "", number(source, "port")),
         counted(number(source, "connections"), "connection")});
  }
  return table(rows);
}

// One row an output, its workers added up.
Row output_row(const Json& output) {
  const auto sum = [&](const char* name) {
    uint64_t total = 0;
    for (const Json& worker : list(output, "workers")) total += number(worker, name);
    return total;
  };
  std::string states;
  for (const Json& worker : list(output, "workers")) {
    const std::string state = word(worker, "state");
    if (states.find(state) == std::string::npos) states += (states.empty() ? "" : ", ") + state;
  }
  return {"out",
          word(output, "id"),
          word(output, "type"),
          fmt::format("{} ({})", sum("staged_chunks"), bytes_text(sum("staged_bytes"))),
          fmt::format("{} ({})", sum("queued_chunks"), bytes_text(sum("queued_bytes"))),
          std::to_string(sum("in_flight")),
          bytes_text(sum("disk_bytes")),
          states};
}

std::string seconds_text(uint64_t ms) {
  return ms < 10'000 ? fmt::format("{:.1f} s", static_cast<double>(ms) / 1000)
                     : fmt::format("{} s", ms / 1000);
}

// Nothing of one that is closed: that is the rule.
std::string breaker_text(const Json& output) {
  const auto breaker = output.find("breaker");
  if (breaker == output.end() || !breaker->is_object()) return "";
  const std::string state = word(*breaker, "state");
  if (state == "closed" || state.empty()) return "";
  std::string text = fmt::format("{} is {} for {}", word(output, "id"), state,
                                 seconds_text(number(*breaker, "since_ms")));
  if (state == "open") {
    text += fmt::format(", next probe in {}", seconds_text(number(*breaker, "next_probe_ms")));
  }
  const std::string error = word(*breaker, "last_error");
  return text + (error.empty() ? "" : ": " + error) + "\n";
}

std::string errors_text(const Json& output) {
  std::string text = breaker_text(output);
  for (const Json& worker : list(output, "workers")) {
    const std::string error = word(worker, "last_error");
    if (error.empty()) continue;
    text += fmt::format("last error of {}, worker {}: {}\n", word(output, "id"),
                        number(worker, "worker"), error);
  }
  return text;
}

std::string amount(uint64_t number, const std::string& unit) {
  return unit == "bytes" ? bytes_text(number) : fmt::format("{} {}", number, unit);
}

std::string memory_text(const Json& status) {
  const auto memory = status.find("memory");
  if (memory == status.end() || !memory->is_object()) return "";
  std::vector<Row> rows = {{"", "pool", "used", "limit"}};
  for (const Json& pool : list(*memory, "pools")) {
    const auto limit = pool.find("limit");
    const bool limited = limit != pool.end() && limit->is_number_unsigned();
    const std::string unit = word(pool, "unit");
    rows.push_back({"memory", word(pool, "name"), amount(number(pool, "used"), unit),
                    limited ? amount(limit->get<uint64_t>(), unit) : "on disk"});
  }
  return (rows.size() > 1 ? table(rows) : "") +
         "resident memory: " + bytes_text(number(*memory, "resident_bytes")) + "\n";
}

std::string left_text(const Json& status) {
  std::string text;
  for (const Json& directory : list(status, "left_buffers")) {
    if (!directory.is_string()) continue;
    text += "a buffer that no output uses, what is in it is not delivered: " +
            shown(directory.get<std::string>()) + "\n";
  }
  return text;
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::optional<std::string> status_text(const std::string& json) {
  const Json status = Json::parse(json, nullptr, false);
  if (!status.is_object() || !status.contains("state")) return std::nullopt;
  std::string out = fmt::format("millrace {}, pid {}, {}\n", word(status, "version"),
                                number(status, "pid"), word(status, "state"));
  out += sources_text(status);
  std::vector<Row> rows = {
      {"", "output", "type", "staged", "queued", "in flight", "on disk", "state"}};
  std::string errors;
  for (const Json& output : list(status, "outputs")) {
    rows.push_back(output_row(output));
    errors += errors_text(output);
  }
  if (rows.size() > 1) out += table(rows);
  return out + memory_text(status) + left_text(status) + errors;
}

}  // namespace millrace::cli
