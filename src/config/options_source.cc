// SPDX-License-Identifier: Apache-2.0
#include "config/complaint.h"
#include "config/model.h"
#include "config/options.h"

namespace millrace::config {
namespace {

constexpr const char* kSourceTypes[] = {"forward"};
constexpr const char* kUndecodable[] = {"dead", "refuse"};

// There is one type so far, and the model has no member for it.
void set_nothing(void*, const Value&) {}

constexpr Option kSource[] = {
    {.name = "type",
     .type = Type::kEnum,
     .example = "forward",
     .words = kSourceTypes,
     .required = true,
     .help = "The kind of input: \"forward\" is the protocol of Fluentd and Fluent Bit.",
     .set = set_nothing},
    {.name = "id",
     .type = Type::kString,
     .example = "forward",
     .min = 1,
     .max = 128,
     .complaint = id_complaint,
     .help = "Its name in logs and status. Without it: forward, forward_2 and so on.",
     .set = set_member<ForwardSource, &ForwardSource::id>},
    {.name = "bind",
     .type = Type::kString,
     .default_text = "127.0.0.1",
     .min = 1,
     .max = 64,
     .complaint = ip_address_complaint,
     .shown = true,
     .help = "The address to listen on: \"0.0.0.0\" is every IPv4 address, \"::\" every address.",
     .set = set_member<ForwardSource, &ForwardSource::bind>},
    {.name = "port",
     .type = Type::kInteger,
     .default_text = "24224",
     .max = 65'535,
     .shown = true,
     .help = "The TCP port; 0 takes any free one, which the log and `millrace status` tell.",
     .set = set_member<ForwardSource, &ForwardSource::port>},
    {.name = "frame_limit",
     .type = Type::kSize,
     .default_text = "64m",
     .min = 1 << 10,
     .max = 1 << 30,
     .help = "The largest message an agent may send. A larger one closes its connection, unacked.",
     .set = set_member<ForwardSource, &ForwardSource::frame_limit>},
    {.name = "connection_limit",
     .type = Type::kInteger,
     .default_text = "10000",
     .min = 1,
     .max = 1'000'000,
     .help =
         "Connections open at the same time, each worker's share of them alike. At the limit the "
         "oldest one that has not sent a message yet makes room for the next; if there is none, "
         "the next is closed.",
     .set = set_member<ForwardSource, &ForwardSource::connection_limit>},
    {.name = "connection_limit_per_source",
     .type = Type::kInteger,
     .default_text = "0",
     .max = 1'000'000,
     .help = "How many of them one address (of IPv6: one /64 network) may have with each worker; 0 "
             "is no limit, because all agents behind a NAT or load balancer share an address.",
     .set = set_member<ForwardSource, &ForwardSource::connection_limit_per_source>},
    {.name = "receive_memory_limit",
     .type = Type::kSize,
     .default_text = "128m",
     .min = 1 << 20,
     .max = 64ULL << 30,
     .help = "Memory of each worker, for this source, for messages that have not arrived whole or "
             "wait for room in a buffer. Above it agents with large messages wait for their turn, "
             "from half of it on if their output's buffer is full.",
     .set = set_member<ForwardSource, &ForwardSource::receive_memory_limit>},
    {.name = "frame_timeout",
     .type = Type::kDuration,
     .default_text = "60s",
     .min = 1000,
     .max = 3'600'000,
     .help =
         "Closes a connection that sent nothing for so long in the middle of a message, or that "
         "has held much of receive_memory_limit for so long while others wait for it.",
     .set = set_member<ForwardSource, &ForwardSource::frame_timeout_ms>},
    {.name = "frame_rate_min",
     .type = Type::kSize,
     .default_text = "64",
     .max = 1 << 20,
     .help = "Closes a connection that brings fewer bytes a second than this in the middle of a "
             "message, taken over frame_timeout; 0 is no limit. No link that can carry logs is "
             "as slow as the default.",
     .set = set_member<ForwardSource, &ForwardSource::frame_rate_min>},
    {.name = "idle_timeout",
     .type = Type::kDuration,
     .default_text = "0s",
     .max = 86'400'000,
     .help = "Closes a connection that sent nothing for so long between two messages; 0 is never. "
             "Agents that ask for no ack can lose a message when a connection is closed.",
     .set = set_member<ForwardSource, &ForwardSource::idle_timeout_ms>},
    {.name = "decompression_size_limit",
     .type = Type::kSize,
     .default_text = "256m",
     .min = 1 << 10,
     .max = 4ULL << 30,
     .help = "The largest message after decompression.",
     .set = set_member<ForwardSource, &ForwardSource::decompression_size_limit>},
    {.name = "decompression_ratio_limit",
     .type = Type::kInteger,
     .default_text = "1000",
     .max = 1'000'000,
     .help = "How many times its compressed size a message of more than 16m may have after "
             "decompression; 0 is no limit. Logs stay far below it, what is made to hurt does not.",
     .set = set_member<ForwardSource, &ForwardSource::decompression_ratio_limit>},
    {.name = "json",
     .type = Type::kBoolean,
     .default_text = "true",
     .help = "Also takes messages written as JSON on the same port.",
     .set = set_member<ForwardSource, &ForwardSource::json>},
    {.name = "undecodable",
     .type = Type::kEnum,
     .default_text = "dead",
     .words = kUndecodable,
     .help = "A message that cannot be decoded and comes a third time is kept in dead/ and acked; "
             "\"refuse\" never acks it.",
     .set = set_member<ForwardSource, &ForwardSource::undecodable>},
};

}  // namespace

std::span<const Option> source_options() { return kSource; }

}  // namespace millrace::config
