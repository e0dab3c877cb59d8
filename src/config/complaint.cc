// SPDX-License-Identifier: Apache-2.0
#include "config/complaint.h"

#include <algorithm>

#include "base/ip_network.h"

namespace millrace::config {
namespace {

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

bool has_blank_or_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

// What follows the scheme, or nothing if there is neither http:// nor https:// before a host.
std::string_view after_scheme(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.substr(0, scheme.size()) == scheme) return text.substr(scheme.size());
  }
  return {};
}

}  // namespace

const char* absolute_path_complaint(std::string_view text) {
  if (text.empty() || text.front() != '/') return "is not an absolute path";
  if (text.find('\0') != std::string_view::npos) return "has a NUL character";
  return nullptr;
}

const char* file_name_complaint(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return "has a slash, but it begins a file's name";
  if (!text.empty() && text.front() == '.') return "begins with a dot, so its files were hidden";
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return "has a control character";
  }
  return nullptr;
}

const char* id_complaint(std::string_view text) {
  if (!is_name(text)) return "has a character other than letters, digits, '_', '.' and '-'";
  if (!text.empty() && text.front() == '.') return "begins with a dot, but it names a directory";
  if (text == "unmatched") return "is the name that millrace itself uses for unmatched tags";
  return nullptr;
}

const char* ip_address_complaint(std::string_view text) {
  return IpAddress::parse(text) ? nullptr : "is not an IPv4 or IPv6 address";
}

const char* network_complaint(std::string_view text) {
  return IpNetwork::parse(text) ? nullptr : "is not a network; write it like \"10.0.0.0/8\"";
}

const char* host_complaint(std::string_view text) {
  if (IpAddress::parse(text) || is_name(text)) return nullptr;
  if (IpNetwork::parse(text)) return "is a network; write network instead of host";
  return "is neither an address nor a host's name";
}

// Fluentd's clients have this name too unless told otherwise, and refuse a server that has it.
const char* self_hostname_complaint(std::string_view text) {
  if (has_blank_or_control(text)) return "has a blank or control character";
  return text == "localhost" ? "names every machine; clients of that name would refuse it"
                             : nullptr;
}

const char* stream_name_complaint(std::string_view text) {
  if (text.substr(0, 4) == "arn:") return "is an ARN; the name of the stream alone is needed";
  if (!is_name(text)) return "has a character other than letters, digits, '_', '.' and '-'";
  return nullptr;
}

const char* region_complaint(std::string_view text) {
  const bool fine = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
  });
  return fine ? nullptr : "is not a region's name; write it like \"eu-west-1\"";
}

const char* http_url_complaint(std::string_view text) {
  const std::string_view rest = after_scheme(text);
  if (rest.empty()) return "does not begin with http:// or https:// and a host";
  if (has_blank_or_control(text)) return "has a blank or control character";
  if (rest.find('@') != std::string_view::npos) return "has a user name, which is not sent";
  if (rest.find_first_of("?#") != std::string_view::npos) return "has a query or fragment";
  return nullptr;
}

const char* proxy_url_complaint(std::string_view text) {
  if (after_scheme(text).empty()) return "does not begin with http:// or https:// and a host";
  if (has_blank_or_control(text)) return "has a blank or control character";
  return nullptr;
}

}  // namespace millrace::config
