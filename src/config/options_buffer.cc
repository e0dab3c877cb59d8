// SPDX-License-Identifier: Apache-2.0
#include "config/complaint.h"
#include "config/model.h"
#include "config/options.h"

namespace millrace::config {
namespace {

constexpr uint64_t kDayMs = 86'400'000;
constexpr const char* kFlushModes[] = {"interval", "lazy", "immediate"};
constexpr const char* kOverflowActions[] = {"block", "throw_exception", "drop_oldest_chunk"};

constexpr Option kBuffer[] = {
    {.name = "path",
     .type = Type::kString,
     .example = "/data/millrace/local",
     .min = 1,
     .max = 1024,
     .complaint = absolute_path_complaint,
     .help = "The buffer's directory; each worker has its own below it, <path>/worker<N>. Without "
             "it: <root_dir>/worker<N>/<id>/buffer. What lies at an earlier path is not looked "
             "for: move it to the new one while the service is stopped.",
     .set = set_member<Match, &Match::buffer, &Buffer::path>},
    {.name = "chunk_limit_size",
     .type = Type::kSize,
     .default_text = "300k",
     .min = 1 << 10,
     .max = 10 << 20,
     .help = "A chunk of this size is sent. One chunk is one Kinesis record.",
     .set = set_member<Match, &Match::buffer, &Buffer::chunk_limit_size>},
    {.name = "chunk_limit_records",
     .type = Type::kInteger,
     .default_text = "0",
     .max = 10'000'000,
     .help = "A chunk of so many records is sent; 0 is no limit.",
     .set = set_member<Match, &Match::buffer, &Buffer::chunk_limit_records>},
    {.name = "total_limit_size",
     .type = Type::kSize,
     .default_text = "64g",
     .min = 1 << 20,
     .max = 1ULL << 50,
     .help =
         "How many body bytes of chunks that are not yet delivered each worker may hold for this "
         "output; see overflow_action. The files take more: segments are removed whole, "
         "commits are padded, and one spare segment lies ready.",
     .set = set_member<Match, &Match::buffer, &Buffer::total_limit_size>},
    {.name = "flush_mode",
     .type = Type::kEnum,
     .default_text = "interval",
     .words = kFlushModes,
     .help =
         "When a chunk is sent: \"interval\" when full or flush_interval old, \"lazy\" only when "
         "full, \"immediate\" after each message.",
     .set = set_member<Match, &Match::buffer, &Buffer::flush_mode>},
    {.name = "flush_interval",
     .type = Type::kDuration,
     .default_text = "5s",
     .min = 10,
     .max = kDayMs,
     .reloadable = true,
     .help = "The age at which a chunk is sent though it is not full.",
     .set = set_member<Match, &Match::buffer, &Buffer::flush_interval_ms>},
    {.name = "flush_thread_count",
     .type = Type::kInteger,
     .default_text = "4",
     .min = 1,
     .max = 256,
     .help = "Threads of each worker that send chunks: so many requests at the same time.",
     .set = set_member<Match, &Match::buffer, &Buffer::flush_thread_count>},
    {.name = "flush_at_shutdown",
     .type = Type::kBoolean,
     .default_text = "false",
     .help = "A stop sends what is buffered first, as far as stop_timeout allows.",
     .set = set_member<Match, &Match::buffer, &Buffer::flush_at_shutdown>},
    {.name = "overflow_action",
     .type = Type::kEnum,
     .default_text = "block",
     .words = kOverflowActions,
     .help = "When total_limit_size is reached: \"block\" makes agents wait, \"throw_exception\" "
             "closes their connections, \"drop_oldest_chunk\" discards the oldest data.",
     .set = set_member<Match, &Match::buffer, &Buffer::overflow_action>},
    {.name = "retry_wait",
     .type = Type::kDuration,
     .default_text = "1s",
     .min = 10,
     .max = kDayMs,
     .reloadable = true,
     .help = "The wait before the first retry of a chunk.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_wait_ms>},
    {.name = "retry_exponential_backoff_base",
     .type = Type::kNumber,
     .default_text = "2.0",
     .min = 1,
     .max = 100,
     .reloadable = true,
     .help = "Each further wait is so many times the one before it.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_exponential_backoff_base>},
    {.name = "retry_max_interval",
     .type = Type::kDuration,
     .default_text = "30s",
     .min = 10,
     .max = kDayMs,
     .reloadable = true,
     .help = "The longest wait between two retries.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_max_interval_ms>},
    {.name = "retry_timeout",
     .type = Type::kDuration,
     .default_text = "72h",
     .min = 1000,
     .max = 3650 * kDayMs,
     .reloadable = true,
     .help = "A chunk that cannot be delivered for so long goes to [match.secondary] or dead/.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_timeout_ms>},
    {.name = "retry_max_times",
     .type = Type::kInteger,
     .default_text = "0",
     .max = 1'000'000,
     .reloadable = true,
     .help =
         "After so many retries of its own a chunk goes to [match.secondary] or dead/; 0 leaves it "
         "to retry_timeout. While the output is away one chunk at a time is tried.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_max_times>},
    {.name = "retry_forever",
     .type = Type::kBoolean,
     .default_text = "false",
     .reloadable = true,
     .help = "Never gives up; retry_timeout and retry_max_times do not count. What the output "
             "refuses for good is given up all the same.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_forever>},
    {.name = "retry_randomize",
     .type = Type::kBoolean,
     .default_text = "true",
     .reloadable = true,
     .help = "Varies each wait a little, so that retries do not come all at once.",
     .set = set_member<Match, &Match::buffer, &Buffer::retry_randomize>},
};

}  // namespace

std::span<const Option> buffer_options() { return kBuffer; }

}  // namespace millrace::config
