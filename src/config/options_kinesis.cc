// SPDX-License-Identifier: Apache-2.0
#include "config/complaint.h"
#include "config/model.h"
#include "config/options.h"

namespace millrace::config {
namespace {

constexpr const char* kBodyFormats[] = {"json", "cbor"};

// Names and lengths: Kinesis API reference, PutRecord (StreamName 1-128 of [a-zA-Z0-9_.-]).
constexpr Option kKinesis[] = {
    {.name = "stream_name",
     .type = Type::kString,
     .example = "events",
     .min = 1,
     .max = 128,
     .complaint = stream_name_complaint,
     .required = true,
     .help = "The Kinesis data stream.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::stream_name>},
    {.name = "region",
     .type = Type::kString,
     .example = "eu-west-1",
     .min = 1,
     .max = 64,
     .complaint = region_complaint,
     .help = "Its AWS region. Without it: AWS_REGION, then AWS_DEFAULT_REGION of the environment.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::region>},
    {.name = "endpoint",
     .type = Type::kString,
     .example = "http://127.0.0.1:4567",
     .min = 1,
     .max = 2048,
     .complaint = http_url_complaint,
     .help = "Another address of the service: a VPC endpoint or an emulator.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::endpoint>},
    {.name = "http_proxy",
     .type = Type::kString,
     .example = "http://proxy.example:3128",
     .min = 1,
     .max = 2048,
     .complaint = proxy_url_complaint,
     .secret = true,
     .help = "The HTTP proxy on the way to the service; may hold user:password@.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::http_proxy>},
    {.name = "ca_file",
     .type = Type::kString,
     .example = "/etc/ssl/certs/ca-certificates.crt",
     .min = 1,
     .max = 1024,
     .complaint = absolute_path_complaint,
     .help =
         "Certificate authorities to trust (PEM). Without it: AWS_CA_BUNDLE, then the system's.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::ca_file>},
    {.name = "aws_key_id",
     .type = Type::kString,
     .example = "${MY_KEY_ID}",
     .min = 1,
     .max = 256,
     .secret = true,
     .help =
         "Access key id. Without it: AWS_ACCESS_KEY_ID of the environment. A file that holds it "
         "must not be readable by everybody (chmod 0640).",
     .set = set_member<Match, &Match::kinesis, &Kinesis::aws_key_id>},
    {.name = "aws_sec_key",
     .type = Type::kString,
     .example = "${MY_SECRET_KEY}",
     .min = 1,
     .max = 256,
     .secret = true,
     .help = "Secret access key. Without it: AWS_SECRET_ACCESS_KEY of the environment.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::aws_sec_key>},
    {.name = "aws_ses_token",
     .type = Type::kString,
     .example = "${MY_SESSION_TOKEN}",
     .min = 1,
     .max = 16'384,
     .secret = true,
     .help = "Session token of temporary credentials. Without it: AWS_SESSION_TOKEN.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::aws_ses_token>},
    {.name = "connect_timeout",
     .type = Type::kDuration,
     .default_text = "5s",
     .min = 100,
     .max = 300'000,
     .help = "How long a connection to the service may take to open.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::connect_timeout_ms>},
    {.name = "first_byte_timeout",
     .type = Type::kDuration,
     .default_text = "10s",
     .min = 100,
     .max = 600'000,
     .help = "How long the first byte of an answer may take after the request was sent.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::first_byte_timeout_ms>},
    {.name = "request_timeout",
     .type = Type::kDuration,
     .default_text = "60s",
     .min = 100,
     .max = 3'600'000,
     .help = "How long one request may take in all. Then the chunk is sent again.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::request_timeout_ms>},
    {.name = "body_format",
     .type = Type::kEnum,
     .default_text = "json",
     .words = kBodyFormats,
     .help =
         "The form of requests: \"json\", or \"cbor\", which sends a quarter less and costs less "
         "CPU. Kinesis takes both; another endpoint may know JSON alone.",
     .set = set_member<Match, &Match::kinesis, &Kinesis::body_format>},
};

}  // namespace

std::span<const Option> kinesis_options() { return kKinesis; }

}  // namespace millrace::config
