// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/exit_code.h"
#include "base/utf8.h"
#include "cli/buffer_logs.h"
#include "cli/commands.h"
#include "io/real.h"
#include "kpl/aggregate_reader.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;
using buffer::Damage;

constexpr const char* kNothingLost = "no record of a chunk that is not finished";

std::string text_of(const std::string& directory, const Damage& damage) {
  std::string text = damage.file.empty() ? directory : directory + "/" + damage.file;
  if (damage.lsn != buffer::kNoLsn) {
    text += fmt::format(": lsn {:016x}, {} bytes", damage.lsn, damage.bytes);
  }
  text += ": " + shown(damage.what, 400) + "\n";
  for (const std::string& cost : damage.costs) {
    text += "    costs " + shown(cost, 400) + "\n";
  }
  if (damage.costs.empty()) text += fmt::format("    costs {}\n", kNothingLost);
  return text;
}

std::string json_of(const std::string& directory, const Damage& damage) {
  Json json{{"directory", utf8_repaired(directory)},
            {"file", damage.file},
            {"what", utf8_repaired(damage.what)},
            {"costs", damage.costs}};
  if (damage.lsn != buffer::kNoLsn) {
    json["lsn"] = fmt::format("{:016x}", damage.lsn);
    json["bytes"] = damage.bytes;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// What is wrong with a dead letter; nothing: it is whole, or being written.
Result<std::optional<Damage>> check_letter(io::FileSystem& files,
                                           const buffer::DeadLetterFile& letter) {
  if (!letter.has_description) return std::optional<Damage>();
  Damage damage;
  damage.file = "dead/" + letter.id.hex() + ".chunk";
  damage.costs = {"the dead letter " + letter.id.uuid()};
  if (letter.records > 0) damage.costs[0] += fmt::format(", {} records", letter.records);
  auto bytes = buffer::read_dead_letter(files, letter);
  if (!bytes && bytes.error().kind == ErrorKind::kNotFound) return std::optional<Damage>();
  if (!bytes && bytes.error().kind != ErrorKind::kCorrupt) return tl::unexpected(bytes.error());
  if (!bytes) {
    damage.what =
        letter.fault.empty() ? "its bytes are not those its .json tells of" : letter.fault;
    return std::optional<Damage>(std::move(damage));
  }
  const bool fragments = letter.payload_format == buffer::kFormatKplIndex0 ||
                         letter.payload_format == buffer::kFormatKplIndex1;
  if (!fragments || bytes->size() > kpl::kAggregateBytesMax) return std::optional<Damage>();
  if (const auto aggregate = kpl::read_aggregate(*bytes); !aggregate) {
    damage.what = aggregate.error().message;
    return std::optional<Damage>(std::move(damage));
  }
  return std::optional<Damage>();
}

Result<std::vector<Damage>> check_log(io::FileSystem& files, ViewedLog& log) {
  if (auto checked = log.view->check_chunks(); !checked) return tl::unexpected(checked.error());
  std::vector<Damage> damages = log.view->damages();
  for (const buffer::DeadLetterFile& letter : log.letters) {
    auto damage = check_letter(files, letter);
    if (!damage) return tl::unexpected(damage.error());
    if (*damage) damages.push_back(std::move(**damage));
  }
  return damages;
}

// What a kill cut off, or is being written: no damage.
std::string unfinished_text(const ViewedLog& log) {
  std::string text;
  for (const buffer::ViewedSegment& viewed : log.view->segments()) {
    if (viewed.torn_bytes == 0) continue;
    text += fmt::format(
        "{}/{}: lsn {:016x}, {} bytes: no damage: the last commit is not whole; it is being "
        "written, or was cut off before it was acked and is left out by the next start\n",
        log.place.directory, viewed.segment.name, viewed.read_to, viewed.torn_bytes);
  }
  for (const buffer::DeadLetterFile& letter : log.letters) {
    if (!letter.has_description) text += letter.path + ": no damage: " + letter.fault + "\n";
  }
  return text;
}

std::string verdict(const ViewedLog& log, size_t damages) {
  if (damages > 0) return fmt::format("{} damaged places", damages);
  return log.code == app::kExitFine ? "fine" : "fine but for its dead/, which cannot be listed";
}

std::string summary(const ViewedLog& log, size_t damages) {
  uint64_t bytes = 0;
  for (const buffer::ViewedSegment& segment : log.view->segments()) {
    bytes += segment.segment.file_bytes;
  }
  return fmt::format("{}: {} ({} segments, {} bytes, {} chunks, {} dead letters)\n",
                     log.place.directory, verdict(log, damages), log.view->segments().size(), bytes,
                     log.view->chunks().size(), log.letters.size());
}

}  // namespace

int buffer_verify(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  const auto places = find_logs(files, arguments);
  if (!places) return out.finish(places.error());
  int code = app::kExitFine;
  for (const LogPlace& place : *places) {
    auto log = view_log(files, place, true);
    Result<std::vector<Damage>> damages;
    if (log) damages = check_log(files, *log);
    if (!log || !damages) {
      code = worse(code, complain_of_error(place.directory, log ? damages.error() : log.error()));
      continue;
    }
    code = worse(code, log->code);
    for (const Damage& damage : *damages) {
      out.write(arguments.json ? json_of(place.directory, damage)
                               : text_of(place.directory, damage));
    }
    if (!arguments.json) out.write(unfinished_text(*log) + summary(*log, damages->size()));
    if (!damages->empty()) code = worse(code, app::kExitBadData);
  }
  return out.finish(code);
}

}  // namespace millrace::cli
