// SPDX-License-Identifier: Apache-2.0
#include "config/validate.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "config/complaint.h"
#include "config/units.h"
#include "config/validate_security.h"

namespace millrace::config {
namespace {

constexpr size_t kMatchesMax =
    63;  // a bit each in the table of request keys, one more for the unmatched
constexpr uint64_t kKeptFree = 200;       // of a record, as Fluentd's plugin does, whatever the key
constexpr uint64_t kRandomKeyBytes = 36;  // a chunk's id as 8-4-4-4-12 hex
constexpr std::string_view kSocketName = "/control.sock";

uint64_t varint_bytes(uint64_t value) {
  uint64_t bytes = 1;
  while (value >>= 7) ++bytes;
  return bytes;
}

// A pattern may be several, with blanks between them.
bool takes_every_tag(const std::string& pattern) {
  std::istringstream words(pattern);
  for (std::string word; words >> word;) {
    if (word == "**") return true;
  }
  return false;
}

template <class Objects>
void fill_ids_of(Objects& objects, const std::vector<Origin>& origins) {
  std::set<std::string> taken;
  for (const auto& object : objects) taken.insert(object.id);
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string id = origins[i].type;
    for (int n = 2; objects[i].id.empty() && !id.empty(); ++n) {
      if (taken.insert(id).second) objects[i].id = id;
      id = fmt::format("{}_{}", origins[i].type, n);
    }
  }
}

class Validator {
 public:
  Validator(Draft& draft, const LoadOptions& options, Report& report)
      : config_(draft.config), origins_(draft.origins), options_(options), report_(report) {}

  void run() {
    check_system();
    check_sources();
    check_matches();
  }

 private:
  // Reports the second of two objects with one value; `seen` remembers where the first was.
  void unique(std::map<std::string, Place>& seen, const std::string& value, const Place& place,
              const std::string& what) {
    if (value.empty()) return;  // it has an error of its own
    const auto [first, added] = seen.emplace(value, place);
    if (added) return;
    report_.error(place, fmt::format("{} \"{}\" is used twice", what, value),
                  "the first time in " + report_.where(first->second));
  }

  void check_system() {
    const size_t path_max = sizeof(sockaddr_un::sun_path) - 1 - kSocketName.size();
    if (config_.system.root_dir.size() > path_max) {
      report_.error(origins_.system.of("root_dir"),
                    fmt::format("root_dir is too long for the control socket in it: {} bytes",
                                config_.system.root_dir.size()),
                    fmt::format("allowed: {} bytes", path_max));
    }
  }

  void check_sources() {
    if (config_.sources.empty()) {
      report_.error(Place{}, "there is no [[source]]",
                    "[[source]] with type = \"forward\" listens for agents");
    }
    std::map<std::string, Place> ids;
    std::map<std::string, Place> addresses;
    for (size_t i = 0; i < config_.sources.size(); ++i) {
      const ForwardSource& source = config_.sources[i];
      const Origin& origin = origins_.sources[i];
      unique(ids, source.id, origin.of("id"), "the id");
      if (source.port != 0) {
        const bool v6 = source.bind.find(':') != std::string::npos;
        const std::string address =
            fmt::format("{}{}{}:{}", v6 ? "[" : "", source.bind, v6 ? "]" : "", source.port);
        unique(addresses, address, origin.has("port") ? origin.of("port") : origin.of("bind"),
               "the address");
      }
      check_receive_limits(source, origin);
      if (source.security) validate_security(source, origin, report_);
    }
  }

  void check_receive_limits(const ForwardSource& source, const Origin& origin) {
    if (source.receive_memory_limit >= source.frame_limit) return;
    report_.error(
        origin.has("receive_memory_limit") ? origin.of("receive_memory_limit")
                                           : origin.of("frame_limit"),
        fmt::format("receive_memory_limit ({}) is less than frame_limit ({})",
                    size_text(source.receive_memory_limit), size_text(source.frame_limit)),
        "a message of the largest size would never arrive whole");
  }

  void check_matches() {
    if (config_.matches.empty()) {
      report_.error(Place{}, "there is no [[match]]",
                    "[[match]] with pattern = \"**\" and type = \"local\" writes to files");
    }
    if (config_.matches.size() > kMatchesMax) {
      report_.error(origins_.matches[kMatchesMax].place,
                    fmt::format("there are more than {} [[match]]", kMatchesMax),
                    "patterns of one output can share a [[match]]");
    }
    std::map<std::string, Place> ids;
    std::map<std::string, Place> buffer_paths;
    std::map<std::string, Place> output_paths;
    for (size_t i = 0; i < config_.matches.size(); ++i) {
      Match& match = config_.matches[i];
      const Origin& origin = origins_.matches[i];
      unique(ids, match.id, origin.of("id"), "the id");
      if (!match.buffer.path.empty()) {
        unique(buffer_paths, normal(match.buffer.path), origin.of("buffer.path"),
               "the buffer's path");
        check_buffer_path(match, origin);
      }
      if (match.type == OutputType::kLocal) {
        const bool own = !match.local.path.empty();
        unique(output_paths, normal(own ? match.local.path : config_.system.root_dir + "/output"),
               origin.of("path"), "the path");
      }
      check_format(match, origin);
      check_chunk_size(match, origin);
      check_retry(match.buffer, origin);
      if (match.secondary) check_secondary(match, origin);
      if (match.type == OutputType::kKinesisAggregation) check_kinesis(match.kinesis, origin);
    }
    check_patterns();
  }

  static std::string normal(const std::string& path) {
    std::string text = std::filesystem::path(path).lexically_normal().string();
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
  }

  void check_patterns() {
    bool catch_all = false;
    Place catch_all_place;
    for (size_t i = 0; i < config_.matches.size(); ++i) {
      const Match& match = config_.matches[i];
      const Origin& origin = origins_.matches[i];
      if (catch_all) {
        report_.warning(origin.place, "no tag ever reaches this [[match]]",
                        fmt::format("the pattern \"**\" in {} takes them all; the first [[match]] "
                                    "that fits wins",
                                    report_.where(catch_all_place)));
      }
      for (size_t p = 0; p < match.patterns.size(); ++p) {
        const Place& place = origin.patterns[p];
        if (!catch_all && takes_every_tag(match.patterns[p])) {
          catch_all = true;
          catch_all_place = place;
        }
        if (!options_.pattern_check) continue;
        const auto fault = options_.pattern_check(match.patterns[p]);
        if (fault) report_.error(place, *fault);
      }
    }
    if (!catch_all && !config_.matches.empty()) warn_of_unmatched();
  }

  void warn_of_unmatched() {
    const bool dead = config_.system.unmatched == Unmatched::kDead;
    report_.warning(origins_.matches.back().place,
                    "no [[match]] takes every tag; other events are " +
                        std::string(dead ? "kept under dead/" : "dropped"),
                    "a last [[match]] with pattern = \"**\" would take them");
  }

  void check_format(const Match& match, const Origin& origin) {
    const Format& format = match.format;
    if (format.inject && format.time_key == format.tag_key) {
      report_.error(origin.has("tag_key") ? origin.of("tag_key") : origin.of("time_key"),
                    fmt::format("time_key and tag_key are both \"{}\"", format.time_key),
                    "each needs a key of its own");
    }
  }

  void check_chunk_size(const Match& match, const Origin& origin) {
    const Format& format = match.format;
    const uint64_t key_bytes =
        format.fixed_partition_key.empty() ? kRandomKeyBytes : format.fixed_partition_key.size();
    const uint64_t overhead = record_overhead(key_bytes, format.kpl_compat);
    const uint64_t room = format.record_limit - std::max(overhead, kKeptFree);
    const uint64_t chunk = match.buffer.chunk_limit_size;
    const Place& place = origin.has("buffer.chunk_limit_size")
                             ? origin.of("buffer.chunk_limit_size")
                             : origin.of("record_limit");
    if (chunk > room) {
      report_.error(place,
                    fmt::format("chunk_limit_size ({} bytes) does not fit into a record: {} bytes "
                                "are left of record_limit ({})",
                                chunk, room, size_text(format.record_limit)),
                    "a smaller chunk_limit_size, or a larger record_limit if the stream allows it");
    } else if (chunk > (format.record_limit - kKeptFree) / 3) {
      report_.warning(place,
                      fmt::format("chunk_limit_size ({}) is more than a third of record_limit ({})",
                                  size_text(chunk), size_text(format.record_limit)),
                      "a shard takes 1m a second, so few large records make it throttle in bursts");
    }
  }

  void check_retry(const Buffer& buffer, const Origin& origin) {
    if (buffer.retry_max_interval_ms < buffer.retry_wait_ms) {
      report_.error(origin.has("buffer.retry_max_interval") ? origin.of("buffer.retry_max_interval")
                                                            : origin.of("buffer.retry_wait"),
                    fmt::format("retry_max_interval ({}) is less than retry_wait ({})",
                                duration_text(buffer.retry_max_interval_ms),
                                duration_text(buffer.retry_wait_ms)));
    }
    for (const char* const name : {"buffer.retry_timeout", "buffer.retry_max_times"}) {
      if (!buffer.retry_forever || !origin.has(name)) continue;
      report_.warning(origin.of(name), fmt::format("{} has no effect", name + sizeof("buffer")),
                      "retry_forever = true never gives up");
    }
    const bool by_age = buffer.flush_mode == FlushMode::kInterval;
    if (!by_age && origin.has("buffer.flush_interval")) {
      report_.warning(origin.of("buffer.flush_interval"), "flush_interval has no effect",
                      "only flush_mode = \"interval\" uses it");
    }
  }

  // A buffer is <path>/worker<N>, or <root_dir>/worker<N>/<id>/buffer. One that lies in another
  // would go when that is removed.
  void check_buffer_path(const Match& match, const Origin& origin) {
    const std::string path = normal(match.buffer.path);
    const std::string root = normal(config_.system.root_dir);
    if (path == root || is_in_buffer(path, root) || is_in_buffer(root, path)) {
      report_.error(origin.of("buffer.path"), "the buffer's path is where root_dir has buffers",
                    "another directory will do, also one below root_dir");
    }
    for (const Match& other : config_.matches) {
      if (other.buffer.path.empty() || !is_in_buffer(path, normal(other.buffer.path))) continue;
      report_.error(origin.of("buffer.path"),
                    fmt::format("the buffer's path is in the buffer of {}", other.id),
                    "it needs a directory of its own");
    }
  }

  static bool is_in_buffer(const std::string& path, const std::string& buffer_path) {
    return path.starts_with(buffer_path + "/worker");
  }

  // Its files beside those of a buffer would not be told apart from strange ones.
  void check_secondary(const Match& match, const Origin& origin) {
    const std::string directory = normal(match.secondary->directory);
    for (const Match& other : config_.matches) {
      if (other.buffer.path.empty() || !is_within(directory, normal(other.buffer.path))) continue;
      report_.error(origin.of("secondary.directory"),
                    fmt::format("the secondary's directory is in the buffer of {}", other.id),
                    "it needs a directory of its own");
      return;
    }
    if (directory == normal(config_.system.root_dir)) {
      report_.error(origin.of("secondary.directory"),
                    "the secondary's directory is root_dir itself", "a directory below it will do");
    }
  }

  static bool is_within(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
  }

  void check_kinesis(Kinesis& kinesis, const Origin& origin) {
    if (kinesis.region.empty()) take_region(kinesis, origin);
    if (kinesis.aws_key_id.empty() != kinesis.aws_sec_key.empty()) {
      const bool has_id = !kinesis.aws_key_id.empty();
      report_.error(origin.of(has_id ? "aws_key_id" : "aws_sec_key"),
                    fmt::format("{} is given without {}", has_id ? "aws_key_id" : "aws_sec_key",
                                has_id ? "aws_sec_key" : "aws_key_id"));
    } else if (!kinesis.aws_ses_token.empty() && kinesis.aws_key_id.empty()) {
      report_.error(origin.of("aws_ses_token"),
                    "aws_ses_token is given without aws_key_id and aws_sec_key");
    } else if (kinesis.aws_key_id.empty() && !has_environment_credentials()) {
      report_.warning(origin.place, "no AWS credentials in this file or this environment",
                      "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the service, or "
                      "aws_key_id and aws_sec_key here; until then chunks stay in the buffer");
    }
    if (kinesis.connect_timeout_ms > kinesis.request_timeout_ms ||
        kinesis.first_byte_timeout_ms > kinesis.request_timeout_ms) {
      report_.warning(origin.has("request_timeout") ? origin.of("request_timeout") : origin.place,
                      fmt::format("request_timeout ({}) is shorter than connect_timeout ({}) or "
                                  "first_byte_timeout ({}), which then have no effect",
                                  duration_text(kinesis.request_timeout_ms),
                                  duration_text(kinesis.connect_timeout_ms),
                                  duration_text(kinesis.first_byte_timeout_ms)));
    }
  }

  bool is_set(const char* name) const {
    const auto value = options_.environment(name);
    return value && !value->empty();
  }
  bool has_environment_credentials() const {
    return is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY");
  }

  void take_region(Kinesis& kinesis, const Origin& origin) {
    if (origin.has("region")) return;  // its own error was reported
    for (const char* const name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
      if (!is_set(name)) continue;
      const std::string region = *options_.environment(name);
      if (const char* const complaint = region_complaint(region)) {
        report_.error(origin.place,
                      fmt::format("the region of the environment variable {} {}: \"{}\"", name,
                                  complaint, region));
      }
      kinesis.region = region;
      return;
    }
    report_.error(origin.place, "no region is given",
                  "region = \"eu-west-1\" here, or AWS_REGION in the environment");
  }

  Config& config_;
  const Origins& origins_;
  const LoadOptions& options_;
  Report& report_;
};

}  // namespace

uint64_t record_overhead(uint64_t key_bytes, KplCompat compat) {
  constexpr uint64_t kMagicAndDigest = 4 + 16;
  constexpr uint64_t kTableEntryOfA = 3;  // 0A 01 61
  return kMagicAndDigest + (compat == KplCompat::kFluentd ? kTableEntryOfA : 0) + 1 +
         varint_bytes(key_bytes) + key_bytes + key_bytes;
}

void fill_ids(Draft& draft) {
  fill_ids_of(draft.config.sources, draft.origins.sources);
  fill_ids_of(draft.config.matches, draft.origins.matches);
}

void validate(Draft& draft, const LoadOptions& options, Report& report) {
  Validator(draft, options, report).run();
}

}  // namespace millrace::config
