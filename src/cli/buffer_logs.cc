// SPDX-License-Identifier: Apache-2.0
#include "cli/buffer_logs.h"

#include <algorithm>
#include <map>

#include "app/exit_code.h"
#include "base/utf8.h"
#include "buffer/log_directory.h"
#include "config/load.h"
#include "format/rfc3339.h"

namespace millrace::cli {
namespace {

constexpr size_t kNameCharactersMin = 6;
constexpr size_t kNameCharactersMax = 32;
constexpr std::string_view kWorker = "worker";
constexpr std::string_view kBuffer = "buffer";

std::string joined(const std::string& place, std::string_view name) {
  return std::string(place).append("/").append(name);
}

std::vector<std::string> path_parts(const std::string& path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c != '/') {
      parts.back().push_back(c);
    } else if (!parts.back().empty()) {
      parts.emplace_back();
    }
  }
  return parts;
}

// <root>/worker<N>/<id>/buffer, or <path>/worker<N> with the output `owner`.
LogPlace place_of(const std::string& directory, const std::string& owner) {
  LogPlace place{.directory = directory, .output = owner, .worker = {}};
  const std::vector<std::string> parts = path_parts(directory);
  const size_t count = parts.size();
  if (parts.back().starts_with(kWorker)) {
    place.worker = parts.back().substr(kWorker.size());
  } else if (count >= 3 && parts.back() == kBuffer && parts[count - 3].starts_with(kWorker)) {
    place.output = parts[count - 2];
    place.worker = parts[count - 3].substr(kWorker.size());
  }
  return place;
}

// Finds logs below a directory: itself, a worker's or a whole root_dir.
class Finder {
 public:
  explicit Finder(io::FileSystem& files) : files_(files) {}

  Result<> find_below(const std::string& top, const std::string& owner) {
    auto entries = files_.list(top);
    if (!entries) return tl::unexpected(entries.error());
    take_if_log(top, *entries, owner);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.directory) continue;
      const std::string below = joined(top, entry.name);
      if (auto found = look_into(below, entry.name == kBuffer, owner); !found) return found;
      const auto inside = look_into(joined(below, kBuffer), true, {});
      const bool foreign = !inside && inside.error().kind == ErrorKind::kPermission &&
                           !entry.name.starts_with(kWorker);  // such as lost+found
      if (!inside && !foreign) return inside;
      if (!entry.name.starts_with(kWorker)) continue;
      if (auto found = find_in_worker(below, owner); !found) return found;
    }
    return {};
  }

  std::vector<LogPlace> places() const {
    std::vector<LogPlace> places;
    for (const auto& [directory, place] : places_) places.push_back(place);
    return places;
  }

 private:
  // A worker's directory is a log itself, or has outputs with a directory "buffer" each.
  Result<> find_in_worker(const std::string& worker, const std::string& owner) {
    auto entries = files_.list(worker);
    if (!entries) return tl::unexpected(entries.error());
    take_if_log(worker, *entries, owner);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.directory) continue;
      auto found = look_into(joined(joined(worker, entry.name), kBuffer), true, {});
      if (!found) return found;
    }
    return {};
  }

  Result<> look_into(const std::string& directory, bool wanted, const std::string& owner) {
    if (!wanted) return {};
    auto entries = files_.list(directory);
    if (!entries &&
        (entries.error().kind == ErrorKind::kNotFound || entries.error().errno_value == ENOTDIR)) {
      return {};
    }
    if (!entries) return tl::unexpected(entries.error());
    take_if_log(directory, *entries, owner);
    return {};
  }

  void take_if_log(const std::string& directory, const std::vector<io::DirectoryEntry>& entries,
                   const std::string& owner) {
    if (!buffer::holds_log_or_letters(entries)) return;
    places_.try_emplace(directory, place_of(directory, owner));
  }

  io::FileSystem& files_;
  std::map<std::string, LogPlace> places_;  // by directory
};

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

tl::unexpected<int> not_read(const std::string& path, const Error& error) {
  return tl::unexpected(complain_of_error(path, error));
}

tl::expected<std::vector<LogPlace>, int> logs_of_configuration(io::FileSystem& files,
                                                               const std::string& path) {
  const auto system = config::load_system(path, {});
  if (!system) {
    complain(config::problems_text(system.error().errors));
    return tl::unexpected(system.error().kind == ErrorKind::kPermission ? app::kExitPermission
                                                                        : app::kExitConfig);
  }
  Finder finder(files);
  auto found = finder.find_below(without_slash(system->root_dir), {});
  if (!found && found.error().kind != ErrorKind::kNotFound) {
    return not_read(system->root_dir, found.error());
  }
  // What is wrong elsewhere, or needs variables that only the service has, is no reason to stop.
  const auto loaded = config::load(path, {});
  if (!loaded) {
    complain("not all of " + path +
             " can be read (millrace check tells why): buffers with a path of their own are not "
             "looked at; name them with --dir");
    return finder.places();
  }
  for (const config::Match& match : loaded->config.matches) {
    if (match.buffer.path.empty()) continue;
    auto own = finder.find_below(without_slash(match.buffer.path), match.id);
    if (!own && own.error().kind != ErrorKind::kNotFound) {
      return not_read(match.buffer.path, own.error());
    }
  }
  return finder.places();
}

tl::expected<std::vector<LogPlace>, int> logs_below(io::FileSystem& files,
                                                    const std::string& directory) {
  Finder finder(files);
  if (auto found = finder.find_below(without_slash(directory), {}); !found) {
    return not_read(directory, found.error());
  }
  if (!finder.places().empty()) return finder.places();
  complain_of(directory, "there is no buffer here or in worker<N>/<id>/buffer below");
  return tl::unexpected(app::kExitBadData);
}

}  // namespace

tl::expected<std::vector<LogPlace>, int> find_logs(io::FileSystem& files,
                                                   const Arguments& arguments) {
  const BufferArguments& wanted = arguments.buffer;
  auto places = wanted.directory.empty() ? logs_of_configuration(files, arguments.config_path)
                                         : logs_below(files, wanted.directory);
  if (!places || wanted.output.empty()) return places;
  std::erase_if(*places, [&](const LogPlace& place) { return place.output != wanted.output; });
  if (!places->empty()) return places;
  complain("no buffer of an output \"" + shown(wanted.output) + "\" was found");
  return tl::unexpected(app::kExitBadData);
}

Result<ViewedLog> view_log(io::FileSystem& files, const LogPlace& place, bool check_payloads) {
  ViewedLog log{.place = place, .view = nullptr, .letters = {}};
  auto view = buffer::LogView::take(files, place.directory, check_payloads);
  if (!view) return tl::unexpected(view.error());
  log.view = std::move(*view);
  if (log.place.output.empty()) log.place.output = log.view->log_files().output_id;
  auto letters = buffer::list_dead_letters(files, place.directory);
  if (letters) log.letters = std::move(*letters);
  if (!letters) log.code = complain_of_error(place.directory + "/dead", letters.error());
  return log;
}

std::string chunk_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    const bool upper = c >= 'A' && c <= 'F';
    if (!digit && !upper && c != '-') return {};
    if (c != '-') name.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return name.size() < kNameCharactersMin || name.size() > kNameCharactersMax ? std::string()
                                                                              : name;
}

bool check_names(const std::vector<std::string>& names) {
  bool good = true;
  for (const std::string& name : names) {
    if (!chunk_name(name).empty()) continue;
    complain("\"" + shown(name) +
             "\" is no chunk id: 36 characters as `millrace buffer ls` prints them, or the first "
             "six or more");
    good = false;
  }
  return good;
}

int complain_of_error(std::string_view place, const Error& error) {
  // The disk's own errors begin with the path.
  std::string_view what = error.message;
  const std::string prefix = std::string(place) + ": ";
  if (what.starts_with(prefix)) what.remove_prefix(prefix.size());
  complain_of(place, what);
  switch (error.kind) {
    case ErrorKind::kLocked:
      return app::kExitLocked;
    case ErrorKind::kPermission:
      return app::kExitPermission;
    case ErrorKind::kNotFound:
    case ErrorKind::kInvalid:
    case ErrorKind::kCorrupt:
      return app::kExitBadData;
    default:
      return app::kExitDisk;
  }
}

std::string shown(std::string_view text, size_t max) {
  std::string out;
  const std::string repaired = utf8_repaired(text.substr(0, max));
  const char* const end = repaired.data() + repaired.size();
  for (const char* p = repaired.data(); p < end;) {
    const size_t size = std::max<size_t>(1, utf8_sequence_size(p, end));
    const auto lead = static_cast<uint8_t>(*p);
    const bool c1 = lead == 0xc2 && size == 2 && static_cast<uint8_t>(p[1]) < 0xa0;
    if (lead < 0x20 || lead == 0x7f || c1) {
      out.push_back('?');
    } else {
      out.append(p, size);
    }
    p += size;
  }
  return text.size() > max ? out + "..." : out;
}

std::string metadata_text(const buffer::Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    if (!text.empty()) text += ", ";
    text += shown(key) + "=" + shown(value);
  }
  return text;
}

std::string time_text(uint64_t unix_us) {
  char text[format::kRfc3339RoomBytes];
  format::Rfc3339Writer writer;
  const EventTime time{static_cast<int64_t>(unix_us / 1'000'000), 0};
  return std::string(text, writer.write(time, text));
}

const char* payload_format_text(uint8_t payload_format) {
  switch (payload_format) {
    case 1:
      return "KPL fragments, index 0";
    case 2:
      return "KPL fragments, index 1";
    case 3:
      return "keyed records";
    case 4:
      return "MessagePack entries";
    case 5:
      return "opaque bytes";
    default:
      return "unknown";
  }
}

}  // namespace millrace::cli
