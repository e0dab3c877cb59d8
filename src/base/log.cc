// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/utf8.h"

namespace millrace::log {
namespace {

constexpr int kLinesPerWindow = 10;
constexpr auto kWindow = std::chrono::seconds(10);

// How often a site has spoken in its window. Keyed by the message, which is a constant.
struct Site {
  std::chrono::steady_clock::time_point window_start{};
  int lines = 0;
  uint64_t held_back = 0;
};

struct State {
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<Format> format{Format::kText};
  std::mutex mutex;  // guards sites
  std::map<std::string_view, Site> sites;

  State()
      : logger(std::make_shared<spdlog::logger>(
            "millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);
  }
};

State& state() {
  static State instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kTrace:
      return spdlog::level::trace;
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* level_name(Level level) {
  constexpr const char* kNames[] = {"trace", "debug", "info", "warn", "error"};
  return kNames[static_cast<int>(level)];
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto since = now.time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     ms % 1000);
}

// The character of a valid UTF-8 sequence (RFC 3629, section 3).
uint32_t code_point(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return lead;
  uint32_t code = lead & (0xffU >> (sequence.size() + 1));
  for (const char c : sequence.substr(1))
    code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return code;
}

// Moves the cursor, ends a line or turns the direction of writing: the C0 and C1 controls, DEL, the
// separators and the bidirectional controls of Unicode (15.0, sections 23.1 and 23.2).
bool is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
         code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

// A string as it may stand between double quotes in JSON; what came from outside can hold anything.
std::string escaped(std::string_view value) {
  const std::string text = utf8_repaired(value.substr(0, Field::kBytesMax));
  const char* const end = text.data() + text.size();
  std::string out = "\"";
  for (const char* p = text.data(); p < end;) {
    const std::string_view sequence(p, utf8_sequence_size(p, end));
    const uint32_t code = code_point(sequence);
    if (is_control(code)) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      if (code == '"' || code == '\\') out += '\\';
      out += sequence;
    }
    p += sequence.size();
  }
  out += '"';
  return out;
}

std::string line_of(Level level, std::string_view area, const char* message, Fields fields,
                    uint64_t held_back) {
  const bool json = state().format.load(std::memory_order_relaxed) == Format::kJson;
  std::string out =
      json ? fmt::format(R"({{"ts":"{}","level":"{}","area":"{}","msg":{})", timestamp(),
                         level_name(level), area, escaped(message))
           : fmt::format("{} {:<5} {}: {}", timestamp(), level_name(level), area, message);
  const auto add = [&](std::string_view key, const std::string& value) {
    out += json ? fmt::format(",\"{}\":{}", key, value) : fmt::format(" {}={}", key, value);
  };
  for (const Field& field : fields) {
    add(field.key, field.quoted ? escaped(field.text) : field.text);
  }
  if (held_back > 0) add("held_back", std::to_string(held_back));
  if (json) out += '}';
  return out;
}

// The number of lines held back before this one, or nothing if this one is held back too.
std::optional<uint64_t> admit(const char* message) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  Site& site = s.sites[message];
  const auto now = std::chrono::steady_clock::now();
  if (now - site.window_start >= kWindow) {
    site.window_start = now;
    site.lines = 0;
  }
  if (site.lines >= kLinesPerWindow) {
    ++site.held_back;
    return std::nullopt;
  }
  ++site.lines;
  return std::exchange(site.held_back, 0);
}

void write(Level level, std::string_view area, const char* message, Fields fields) {
  if (!enabled(level)) return;
  uint64_t held_back = 0;
  if (level >= Level::kWarn) {
    const std::optional<uint64_t> admitted = admit(message);
    if (!admitted) return;
    held_back = *admitted;
  }
  state().logger->log(to_spdlog(level), "{}", line_of(level, area, message, fields, held_back));
}

}  // namespace

Field::Field(std::string_view k, double value) : key(k), text(fmt::format("{}", value)) {}

void configure(Level level, Format format) {
  state().logger->set_level(to_spdlog(level));
  state().format = format;
}

bool enabled(Level level) { return state().logger->should_log(to_spdlog(level)); }

void debug(std::string_view area, const char* message, Fields fields) {
  write(Level::kDebug, area, message, fields);
}
void info(std::string_view area, const char* message, Fields fields) {
  write(Level::kInfo, area, message, fields);
}
void warn(std::string_view area, const char* message, Fields fields) {
  write(Level::kWarn, area, message, fields);
}
void error(std::string_view area, const char* message, Fields fields) {
  write(Level::kError, area, message, fields);
}

}  // namespace millrace::log
