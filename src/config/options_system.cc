// SPDX-License-Identifier: Apache-2.0
#include "config/complaint.h"
#include "config/model.h"
#include "config/options.h"

namespace millrace::config {
namespace {

constexpr const char* kLevels[] = {"trace", "debug", "info", "warn", "error"};
constexpr const char* kLogFormats[] = {"text", "json"};
constexpr const char* kUnmatched[] = {"dead", "drop"};

constexpr Option kSystem[] = {
    {.name = "workers",
     .type = Type::kInteger,
     .default_text = "1",
     .min = 1,
     .max = 64,
     .help = "Loop threads. Each has its own share of the connections and its own buffers.",
     .set = set_member<System, &System::workers>},
    {.name = "root_dir",
     .type = Type::kString,
     .default_text = "/var/lib/millrace",
     .min = 1,
     .max = 1024,
     .complaint = absolute_path_complaint,
     .shown = true,
     .help = "Where buffers, dead letters and the control socket live. One millrace per directory.",
     .set = set_member<System, &System::root_dir>},
    {.name = "log_level",
     .type = Type::kEnum,
     .default_text = "info",
     .words = kLevels,
     .reloadable = true,
     .help = "The least important lines that are logged.",
     .set = set_member<System, &System::log_level>},
    {.name = "stop_timeout",
     .type = Type::kDuration,
     .default_text = "30s",
     .max = 3'600'000,
     .reloadable = true,
     .help = "How long a stop goes on sending queued chunks. What remains is safe on disk.",
     .set = set_member<System, &System::stop_timeout_ms>},
    {.name = "dedup_window",
     .type = Type::kDuration,
     .default_text = "1h",
     .max = 86'400'000,
     .help = "How long a message is remembered, so that one sent again after a lost ack is stored "
             "once; 0 turns it off. At most a million are (100 s of 10 000 a second), and of "
             "clients without Fluentd's chunk ids only a connection's last.",
     .set = set_member<System, &System::dedup_window_ms>},
    {.name = "unmatched",
     .type = Type::kEnum,
     .default_text = "dead",
     .words = kUnmatched,
     .help =
         "What becomes of events whose tag no [[match]] takes: \"dead\" keeps them under dead/, "
         "\"drop\" discards and counts them.",
     .set = set_member<System, &System::unmatched>},
};

constexpr Option kSystemLog[] = {
    {.name = "format",
     .type = Type::kEnum,
     .default_text = "text",
     .words = kLogFormats,
     .help = "The form of a log line on stderr.",
     .set = set_member<System, &System::log_format>},
};

}  // namespace

std::span<const Option> system_options() { return kSystem; }
std::span<const Option> system_log_options() { return kSystemLog; }

}  // namespace millrace::config
