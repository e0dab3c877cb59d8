// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/kinesis_output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/utf8.h"
#include "http/proxy_url.h"
#include "output/kinesis/kinesis_sender.h"

namespace millrace::output {
namespace {

constexpr size_t kStreamNameBytesMax = 128;         // Kinesis API reference, PutRecord
constexpr size_t kPartitionKeyCharactersMax = 256;  // same page

class KinesisOutput final : public Output {
 public:
  explicit KinesisOutput(KinesisTarget target) : target_(std::move(target)) {}

  std::unique_ptr<Sender> make_sender() override {
    return std::make_unique<KinesisSender>(target_, clock_);
  }
  std::string target() const override {
    return "stream " + target_.stream_name + " at " + target_.endpoint.url;
  }

 private:
  const KinesisTarget target_;
  ClockOffset clock_;
};

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= kStreamNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.' || c == '-';
         });
}

Result<> check_names(const config::Match& match) {
  if (!is_stream_name(match.kinesis.stream_name)) {
    return fail(ErrorKind::kInvalid,
                "stream_name must be 1 to 128 letters, digits, dots, hyphens or underscores");
  }
  const std::string& key = match.format.fixed_partition_key;
  const auto characters = std::count_if(key.begin(), key.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  });
  if (!utf8_valid(key) || static_cast<size_t>(characters) > kPartitionKeyCharactersMax) {
    return fail(ErrorKind::kInvalid, "fixed_partition_key must be 1 to 256 characters of UTF-8");
  }
  return {};
}

Result<http::ClientOptions> client_options(const config::Kinesis& kinesis,
                                           const aws::Environment& environment) {
  http::ClientOptions options;
  if (!kinesis.http_proxy.empty()) {
    if (auto checked = http::check_proxy_url(kinesis.http_proxy); !checked) {
      return tl::unexpected<Error>(checked.error());
    }
    options.proxy = kinesis.http_proxy;
  }
  const bool configured = !kinesis.ca_file.empty();
  options.ca_file = configured ? kinesis.ca_file : environment("AWS_CA_BUNDLE");
  if (!options.ca_file.empty() && ::access(options.ca_file.c_str(), R_OK) != 0) {
    return fail_errno(errno, (configured ? "ca_file " : "AWS_CA_BUNDLE ") + options.ca_file);
  }
  options.connect_timeout_ms = kinesis.connect_timeout_ms;
  options.first_byte_timeout_ms = kinesis.first_byte_timeout_ms;
  options.request_timeout_ms = kinesis.request_timeout_ms;
  return options;
}

}  // namespace

Result<std::unique_ptr<Output>> make_kinesis_output(const config::Match& match,
                                                    const aws::Environment& environment) {
  const config::Kinesis& kinesis = match.kinesis;
  if (auto checked = check_names(match); !checked) {
    return tl::unexpected<Error>(checked.error());
  }
  auto region = aws::find_region(kinesis.region, environment);
  if (!region) return tl::unexpected<Error>(region.error());
  Result<aws::Endpoint> endpoint = kinesis.endpoint.empty()
                                       ? aws::regional_endpoint("kinesis", *region)
                                       : aws::custom_endpoint(kinesis.endpoint);
  if (!endpoint) return tl::unexpected<Error>(endpoint.error());
  auto client = client_options(kinesis, environment);
  if (!client) return tl::unexpected<Error>(client.error());
  auto credentials = aws::find_credentials(
      {kinesis.aws_key_id, kinesis.aws_sec_key, kinesis.aws_ses_token}, environment);
  if (!credentials) return tl::unexpected<Error>(credentials.error());
  return std::make_unique<KinesisOutput>(
      KinesisTarget{kinesis.stream_name, std::move(*region), std::move(*endpoint),
                    std::move(*credentials), std::move(*client), kinesis.body_format});
}

}  // namespace millrace::output
