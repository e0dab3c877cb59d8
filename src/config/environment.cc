// SPDX-License-Identifier: Apache-2.0
#include "config/environment.h"

#include <cstdlib>

#include "base/utf8.h"

namespace millrace::config {
namespace {

constexpr size_t kExpandedBytesMax = 64 << 10;

bool is_name(std::string_view name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  for (const char c : name) {
    const bool fine =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!fine) return false;
  }
  return true;
}

// The value of what stands between "${" and "}".
Result<std::string> value_of(std::string_view reference, const Environment& environment) {
  const size_t colon = reference.find(":-");
  const std::string name(reference.substr(0, colon));
  if (!is_name(name)) {
    return fail(ErrorKind::kInvalid,
                "${...} needs a variable's name of letters, digits and '_'; a text \"${\" is "
                "written \"$${\"");
  }
  std::optional<std::string> value = environment(name);
  if (colon != std::string_view::npos && (!value || value->empty())) {
    value = std::string(reference.substr(colon + 2));
  }
  if (!value) {
    return fail(ErrorKind::kInvalid, "the environment variable " + name + " is not set; ${" + name +
                                         ":-default} gives a default");
  }
  if (!utf8_valid(*value)) {
    return fail(ErrorKind::kInvalid, "the environment variable " + name + " is not valid UTF-8");
  }
  return *value;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    // The environment is only read, and nothing in the program changes it.
    const char* const value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Result<std::string> expand(std::string_view text, const Environment& environment) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t dollar = text.find('$', at);
    out += text.substr(at, dollar - at);
    if (dollar == std::string_view::npos) break;
    at = dollar;
    if (text.substr(at, 3) == "$${") {
      out += "${";
      at += 3;
    } else if (text.substr(at, 2) == "${") {
      const size_t end = text.find('}', at);
      if (end == std::string_view::npos) {
        return fail(ErrorKind::kInvalid, "\"${\" without \"}\"; a text \"${\" is written \"$${\"");
      }
      Result<std::string> value = value_of(text.substr(at + 2, end - at - 2), environment);
      if (!value) return value;
      out += *value;
      at = end + 1;
    } else {
      out += '$';
      ++at;
    }
    if (out.size() > kExpandedBytesMax) {
      return fail(ErrorKind::kInvalid, "longer than 64 KiB with its variables");
    }
  }
  return out;
}

std::string literal_part(std::string_view text) {
  std::string out;
  const auto nothing = [](const std::string&) { return std::optional<std::string>(""); };
  if (auto expanded = expand(text, nothing)) out = *std::move(expanded);
  return out;
}

}  // namespace millrace::config
