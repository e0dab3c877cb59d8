// SPDX-License-Identifier: Apache-2.0
#include "aws/endpoint.h"

#include <array>
#include <charconv>

namespace millrace::aws {
namespace {

constexpr size_t kRegionBytesMax = 63;  // a label of a host name, RFC 1035
constexpr size_t kHostBytesMax = 253;

struct Partition {
  std::string_view region_prefix;
  std::string_view suffix;
};

// The longer of two prefixes first.
constexpr std::array<Partition, 8> kPartitions = {{
    {"cn-", "amazonaws.com.cn"},
    {"eusc-", "amazonaws.eu"},
    {"us-isob-", "sc2s.sgov.gov"},
    {"us-isof-", "csp.hci.ic.gov"},
    {"us-iso-", "c2s.ic.gov"},
    {"eu-isoe-", "cloud.adc-e.uk"},
    {"eu-isof-", "csp.hci.ic.gov"},
    {"", "amazonaws.com"},
}};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  const bool bracketed = host.front() == '[';
  if (bracketed) {
    if (host.size() < 4 || host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
  }
  for (const char c : host) {
    const bool fine =
        bracketed ? is_hex(c) || c == ':' || c == '.'
                  : is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
    if (!fine) return false;
  }
  return true;
}

bool parse_port(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0;
}

}  // namespace

Result<std::string> find_region(const std::string& configured, const Environment& environment) {
  std::string region = configured;
  const char* name = "region";
  if (region.empty()) region = environment(name = "AWS_REGION");
  if (region.empty()) region = environment(name = "AWS_DEFAULT_REGION");
  if (region.empty()) {
    return fail(ErrorKind::kInvalid,
                "no region: set region, or AWS_REGION or AWS_DEFAULT_REGION in the environment");
  }
  bool fine = region.size() <= kRegionBytesMax && region.front() != '-' && region.back() != '-';
  for (const char c : region) {
    fine = fine && (is_lower(c) || is_digit(c) || c == '-');
  }
  if (!fine) {
    return fail(ErrorKind::kInvalid, std::string(name) + " is no region, such as eu-west-1");
  }
  return region;
}

Endpoint regional_endpoint(std::string_view service, std::string_view region) {
  std::string_view suffix;
  for (const Partition& partition : kPartitions) {
    if (region.substr(0, partition.region_prefix.size()) == partition.region_prefix) {
      suffix = partition.suffix;
      break;
    }
  }
  Endpoint endpoint;
  endpoint.host.append(service).append(".").append(region).append(".").append(suffix);
  endpoint.url = "https://" + endpoint.host + "/";
  return endpoint;
}

Result<Endpoint> custom_endpoint(std::string_view url) {
  const auto wrong = [](const char* why) {
    return fail(ErrorKind::kInvalid, std::string("endpoint: ") + why +
                                         "; expected http://host:port or https://host:port");
  };
  const size_t mark = url.find("://");
  const std::string_view scheme = url.substr(0, mark == std::string_view::npos ? 0 : mark);
  if (scheme != "http" && scheme != "https") return wrong("the scheme is not http or https");
  std::string_view rest = url.substr(mark + 3);
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.find('@') != std::string_view::npos) return wrong("no user belongs there");
  if (rest.find_first_of("/?#") != std::string_view::npos) return wrong("no path belongs there");

  const size_t bracket = rest.rfind(']');
  const size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = rest.substr(0, colon);
  if (!is_host(host)) return wrong("the host is no name or address");
  Endpoint endpoint;
  endpoint.host = std::string(host);
  if (colon != std::string_view::npos) {
    uint16_t port = 0;
    if (!parse_port(rest.substr(colon + 1), port)) return wrong("the port is not 1 to 65535");
    if (port != (scheme == "http" ? 80 : 443)) endpoint.host += ":" + std::to_string(port);
  }
  endpoint.url.append(scheme).append("://").append(endpoint.host).append("/");
  return endpoint;
}

}  // namespace millrace::aws
