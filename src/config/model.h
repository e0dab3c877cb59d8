// SPDX-License-Identifier: Apache-2.0
#pragma once

// The configuration as plain structs, after all checks. Each front end (TOML; later others) fills
// the same model; every part of the program takes the struct that is its own. Names are those of
// the options. The defaults that count are in the option table (config/option.h); the values here
// are the same, so that tests can build a model by hand. Values; read-only after start.
// Units: sizes in bytes, times in milliseconds.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"

namespace millrace::config {

enum class Unmatched { kDead, kDrop };
enum class Undecodable { kDead, kRefuse };
enum class FlushMode { kInterval, kLazy, kImmediate };
enum class OverflowAction { kBlock, kThrowException, kDropOldestChunk };
enum class OutputType { kKinesisAggregation, kLocal };
enum class SecondaryType { kFile, kSecondaryFile };  // two words for one thing
enum class JsonCompat { kValid, kOj };
enum class KplCompat { kNone, kFluentd };
enum class BodyFormat { kJson, kCbor };

struct System {
  uint32_t workers = 1;
  std::string root_dir = "/var/lib/millrace";
  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;
  uint64_t stop_timeout_ms = 30'000;
  uint64_t dedup_window_ms = 3'600'000;  // 0: off
  Unmatched unmatched = Unmatched::kDead;

  friend bool operator==(const System&, const System&) = default;
};

struct SecurityUser {
  std::string username;
  std::string password;  // secret

  friend bool operator==(const SecurityUser&, const SecurityUser&) = default;
};

/// Rules for the clients of one host or network.
struct SecurityClient {
  std::string host;                       // a name or an address; empty: network counts
  std::string network;                    // as 10.0.0.0/8
  std::optional<std::string> shared_key;  // secret; none: that of the source
  std::vector<std::string> users;         // none: every user

  friend bool operator==(const SecurityClient&, const SecurityClient&) = default;
};

struct Security {
  std::string self_hostname;  // empty: the machine's own
  std::string shared_key;     // secret; may be empty
  bool user_auth = false;
  bool allow_anonymous_source = true;  // peers that no client rule names
  uint64_t handshake_timeout_ms = 10'000;
  std::vector<SecurityUser> users;
  std::vector<SecurityClient> clients;  // the first that fits a peer counts

  friend bool operator==(const Security&, const Security&) = default;
};

struct ForwardSource {
  std::string id = "forward";
  std::string bind = "127.0.0.1";
  uint16_t port = 24224;  // 0: any free port
  uint64_t frame_limit = 64ULL << 20;
  uint64_t connection_limit = 10'000;            // of all workers together
  uint64_t connection_limit_per_source = 0;      // of each worker; 0: none
  uint64_t receive_memory_limit = 128ULL << 20;  // of each worker
  uint64_t frame_timeout_ms = 60'000;
  uint64_t frame_rate_min = 64;  // bytes a second; 0: none
  uint64_t idle_timeout_ms = 0;  // 0: never
  uint64_t decompression_size_limit = 256ULL << 20;
  uint64_t decompression_ratio_limit = 1000;  // above 16 MiB; 0: none
  bool json = true;                           // never with security
  Undecodable undecodable = Undecodable::kDead;
  std::optional<Security> security;  // none: whoever connects may send

  friend bool operator==(const ForwardSource&, const ForwardSource&) = default;
};

struct Buffer {
  std::string path;  // empty: <root_dir>/worker<N>/<id>/buffer
  uint64_t chunk_limit_size = 300ULL << 10;
  uint64_t chunk_limit_records = 0;  // 0: none
  uint64_t total_limit_size = 64ULL << 30;
  FlushMode flush_mode = FlushMode::kInterval;
  uint64_t flush_interval_ms = 5'000;
  uint32_t flush_thread_count = 4;
  bool flush_at_shutdown = false;
  OverflowAction overflow_action = OverflowAction::kBlock;
  uint64_t retry_wait_ms = 1'000;
  double retry_exponential_backoff_base = 2.0;
  uint64_t retry_max_interval_ms = 30'000;
  uint64_t retry_timeout_ms = 72ULL * 3600 * 1000;
  uint64_t retry_max_times = 0;  // 0: no limit but retry_timeout
  bool retry_forever = false;
  bool retry_randomize = true;

  friend bool operator==(const Buffer&, const Buffer&) = default;
};

/// What becomes of an event before it is stored: the JSON and the frame of the Kinesis record.
struct Format {
  bool inject = true;
  std::string time_key = "time";
  std::string tag_key = "tag";
  bool append_newline = false;
  JsonCompat json_compat = JsonCompat::kValid;
  KplCompat kpl_compat = KplCompat::kNone;
  std::string fixed_partition_key;  // empty: the chunk's id
  uint64_t record_limit = 1ULL << 20;

  friend bool operator==(const Format&, const Format&) = default;
};

struct Kinesis {
  std::string stream_name;
  std::string region;
  std::string endpoint;    // empty: the service's own
  std::string http_proxy;  // secret
  std::string ca_file;     // empty: the system's
  std::string aws_key_id;  // secret; empty: from the environment
  std::string aws_sec_key;
  std::string aws_ses_token;
  uint64_t connect_timeout_ms = 5'000;
  uint64_t first_byte_timeout_ms = 10'000;
  uint64_t request_timeout_ms = 60'000;
  BodyFormat body_format = BodyFormat::kJson;

  friend bool operator==(const Kinesis&, const Kinesis&) = default;
};

struct Local {
  std::string path;  // empty: <root_dir>/output
  uint64_t rotate_size = 256ULL << 20;

  friend bool operator==(const Local&, const Local&) = default;
};

/// Where chunks go that were given up, instead of dead/.
struct Secondary {
  SecondaryType type = SecondaryType::kFile;
  std::string directory;
  std::string basename = "dump.bin";

  friend bool operator==(const Secondary&, const Secondary&) = default;
};

struct Match {
  std::vector<std::string> patterns;
  OutputType type = OutputType::kLocal;
  std::string id;
  Format format;
  Buffer buffer;
  Kinesis kinesis;                     // type kinesis_aggregation
  Local local;                         // type local
  std::optional<Secondary> secondary;  // none: dead/

  friend bool operator==(const Match&, const Match&) = default;
};

struct Config {
  System system;
  std::vector<ForwardSource> sources;
  std::vector<Match> matches;

  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace millrace::config
