// SPDX-License-Identifier: Apache-2.0
#include "http/transfer.h"

#include <curl/curl.h>

#include <string>
#include <utility>

#include "base/check.h"

namespace millrace::http {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

template <class Value>
void set(void* easy, CURLoption option, Value value) {
  CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

}  // namespace

void Transfer::attach(void* easy) {
  set(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(easy, CURLOPT_WRITEDATA, this);
  // Called when a connection stands and nothing of the request has been written, for libcurl's own
  // second try too (CURLOPT_PREREQFUNCTION(3), since 7.80).
  set(easy, CURLOPT_PREREQFUNCTION, &Transfer::on_start);
  set(easy, CURLOPT_PREREQDATA, this);
}

size_t Transfer::on_header(char* data, size_t size, size_t count, void* self) noexcept {
  return static_cast<Transfer*>(self)->add_header({data, size * count}) ? size * count : 0;
}

size_t Transfer::on_body(char* data, size_t size, size_t count, void* self) noexcept {
  return static_cast<Transfer*>(self)->add_body({data, size * count}) ? size * count : 0;
}

int Transfer::on_start(void* self, char*, char*, int, int) noexcept {
  ++static_cast<Transfer*>(self)->starts_;
  return CURL_PREREQFUNC_OK;
}

bool Transfer::add_header(std::string_view line) {
  reply_began_ = true;
  header_bytes_ += line.size();
  if (header_bytes_ > kReplyHeaderBytesMax) {
    too_large_ = true;
    return false;
  }
  if (line.substr(0, 5) == "HTTP/") {  // a final reply may follow a 1xx one
    reply_.headers.clear();
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  reply_.headers.emplace_back(lower(trimmed(line.substr(0, colon))),
                              std::string(trimmed(line.substr(colon + 1))));
  return true;
}

bool Transfer::add_body(std::string_view bytes) {
  if (bytes.size() > kReplyBytesMax - reply_.body.size()) {
    too_large_ = true;
    return false;
  }
  reply_.body.append(bytes);
  return true;
}

Reply Transfer::take_reply(void* easy) {
  long status = 0;
  CHECK(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
  reply_.status = static_cast<int>(status);
  const std::string date(reply_.header("date"));
  const time_t seconds = date.empty() ? -1 : curl_getdate(date.c_str(), nullptr);
  if (seconds >= 0) reply_.date_s = static_cast<int64_t>(seconds);
  return std::move(reply_);
}

}  // namespace millrace::http
