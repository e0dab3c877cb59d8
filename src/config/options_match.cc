// SPDX-License-Identifier: Apache-2.0
#include "config/complaint.h"
#include "config/model.h"
#include "config/options.h"

namespace millrace::config {
namespace {

constexpr const char* kOutputTypes[] = {"kinesis_aggregation", "local"};
constexpr const char* kJsonCompat[] = {"valid", "oj"};
constexpr const char* kKplCompat[] = {"none", "fluentd"};
constexpr const char* kSecondaryTypes[] = {"file", "secondary_file"};

constexpr Option kMatch[] = {
    {.name = "pattern",
     .type = Type::kStrings,
     .example = "**",
     .min = 1,
     .max = 4096,
     .required = true,
     .help = "The tags this output takes, one pattern or an array: * is one part of a tag, ** any "
             "number, {a,b} either. The first [[match]] that fits gets the event.",
     .set = set_member<Match, &Match::patterns>},
    {.name = "type",
     .type = Type::kEnum,
     .example = "local",
     .words = kOutputTypes,
     .required = true,
     .help = "Where chunks go: \"kinesis_aggregation\" to a Kinesis stream, \"local\" to files.",
     .set = set_member<Match, &Match::type>},
    {.name = "id",
     .type = Type::kString,
     .example = "local",
     .min = 1,
     .max = 128,
     .complaint = id_complaint,
     .help = "Its name in logs, metrics and directories. Without it: the type, then type_2 and so "
             "on. With a new id its buffered chunks are no longer found.",
     .set = set_member<Match, &Match::id>},
    {.name = "inject",
     .type = Type::kBoolean,
     .default_text = "true",
     .help = "Adds the event's time and tag to each record, in place of equal keys.",
     .set = set_member<Match, &Match::format, &Format::inject>},
    {.name = "time_key",
     .type = Type::kString,
     .default_text = "time",
     .min = 1,
     .max = 256,
     .help = "The key of the time that `inject` adds (RFC 3339, UTC).",
     .set = set_member<Match, &Match::format, &Format::time_key>},
    {.name = "tag_key",
     .type = Type::kString,
     .default_text = "tag",
     .min = 1,
     .max = 256,
     .help = "The key of the tag that `inject` adds.",
     .set = set_member<Match, &Match::format, &Format::tag_key>},
    {.name = "append_newline",
     .type = Type::kBoolean,
     .default_text = "false",
     .help = "Ends each record with a newline, for consumers that join records into files.",
     .set = set_member<Match, &Match::format, &Format::append_newline>},
    {.name = "json_compat",
     .type = Type::kEnum,
     .default_text = "valid",
     .words = kJsonCompat,
     .help =
         "\"valid\" always writes valid JSON, \"oj\" what Fluentd writes: invalid UTF-8 copied, "
         "NaN and Infinity bare.",
     .set = set_member<Match, &Match::format, &Format::json_compat>},
    {.name = "kpl_compat",
     .type = Type::kEnum,
     .default_text = "none",
     .words = kKplCompat,
     .help = "\"fluentd\" writes the partition key table of the Fluentd plugin, byte for byte.",
     .set = set_member<Match, &Match::format, &Format::kpl_compat>},
    {.name = "fixed_partition_key",
     .type = Type::kString,
     .example = "my-key",
     .min = 1,
     .max = 256,
     .help = "One partition key for all chunks, so that they stay in one shard. Without it each "
             "chunk has a random one.",
     .set = set_member<Match, &Match::format, &Format::fixed_partition_key>},
    {.name = "record_limit",
     .type = Type::kSize,
     .default_text = "1m",
     .min = 64 << 10,
     .max = 10 << 20,
     .help = "The largest Kinesis record, partition key included; 200 bytes of it are kept free. "
             "More than 1m needs a stream that allows it (MaxRecordSizeInKiB).",
     .set = set_member<Match, &Match::format, &Format::record_limit>},
};

constexpr Option kLocal[] = {
    {.name = "path",
     .type = Type::kString,
     .example = "/var/lib/millrace/output",
     .min = 1,
     .max = 1024,
     .complaint = absolute_path_complaint,
     .help = "The directory of the files local.<number>.jsonl. Without it: <root_dir>/output.",
     .set = set_member<Match, &Match::local, &Local::path>},
    {.name = "rotate_size",
     .type = Type::kSize,
     .default_text = "256m",
     .min = 4 << 10,
     .max = 1ULL << 40,
     .help = "Begins a new file when the current one has grown to so much.",
     .set = set_member<Match, &Match::local, &Local::rotate_size>},
};

constexpr Option kSecondary[] = {
    {.name = "directory",
     .type = Type::kString,
     .example = "/var/lib/millrace/secondary",
     .min = 1,
     .max = 1024,
     .complaint = absolute_path_complaint,
     .required = true,
     .help =
         "Where a chunk is kept that the output refuses for good or that is at its retry limit. "
         "Without [match.secondary]: dead/ in its buffer. `millrace decode` reads the files.",
     .set = set_member<Secondary, &Secondary::directory>},
    {.name = "basename",
     .type = Type::kString,
     .default_text = "dump.bin",
     .min = 1,
     .max = 128,
     .complaint = file_name_complaint,
     .help = "Its files are <basename>.<chunk id> and, with key, reason and last error, "
             "<basename>.<chunk id>.json.",
     .set = set_member<Secondary, &Secondary::basename>},
    {.name = "type",
     .type = Type::kEnum,
     .default_text = "file",
     .words = kSecondaryTypes,
     .help = "\"file\", which is the same as \"secondary_file\".",
     .set = set_member<Secondary, &Secondary::type>},
};

}  // namespace

std::span<const Option> match_options() { return kMatch; }
std::span<const Option> local_options() { return kLocal; }
std::span<const Option> secondary_options() { return kSecondary; }

void* open_secondary(void* match) { return &static_cast<Match*>(match)->secondary.emplace(); }

}  // namespace millrace::config
