// SPDX-License-Identifier: Apache-2.0
#include "http/proxy_url.h"

namespace millrace::http {
namespace {

constexpr size_t kUrlBytesMax = 2048;

// Where the part after "scheme://" begins.
size_t authority_start(std::string_view url) {
  const size_t mark = url.find("://");
  return mark == std::string_view::npos ? 0 : mark + 3;
}

}  // namespace

Result<> check_proxy_url(std::string_view url) {
  const auto wrong = [](const char* why) {
    return fail(ErrorKind::kInvalid,
                std::string("http_proxy: ") + why + "; expected http://[user:password@]host:port");
  };
  if (url.size() > kUrlBytesMax) return wrong("too long");
  for (const char c : url) {
    if (c <= ' ' || c > '~') return wrong("a character that no URL holds");
  }
  const size_t start = authority_start(url);
  const std::string_view scheme = url.substr(0, start);
  if (!scheme.empty() && scheme != "http://" && scheme != "https://") {
    return wrong("a scheme other than http and https");
  }
  const std::string plain = without_user(url.substr(start));
  if (plain.empty() || plain[0] == ':' || plain[0] == '/') return wrong("no host");
  return {};
}

std::string without_user(std::string_view url) {
  const size_t start = authority_start(url);
  const size_t at = url.rfind('@');
  if (at == std::string_view::npos || at < start) return std::string(url);
  return std::string(url.substr(0, start)).append(url.substr(at + 1));
}

}  // namespace millrace::http
