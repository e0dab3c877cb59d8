// SPDX-License-Identifier: Apache-2.0
#include "input/forward/foreign.h"

#include <algorithm>

namespace millrace::input {
namespace {

struct Signature {
  std::string_view begin;
  const char* protocol;
};

// RFC 9110 (methods), RFC 9113 (preface of HTTP/2), RFC 8446 (handshake record), RFC 4253.
constexpr Signature kSignatures[] = {
    {"GET ", "HTTP"},     {"POST ", "HTTP"},    {"HEAD ", "HTTP"},  {"PUT ", "HTTP"},
    {"DELETE ", "HTTP"},  {"OPTIONS ", "HTTP"}, {"PATCH ", "HTTP"}, {"TRACE ", "HTTP"},
    {"CONNECT ", "HTTP"}, {"PRI * ", "HTTP"},   {"SSH-", "SSH"},    {"\x16\x03", "TLS"},
};

}  // namespace

Foreign recognise_foreign(std::string_view bytes) {
  Foreign out;
  for (const Signature& signature : kSignatures) {
    const size_t common = std::min(bytes.size(), signature.begin.size());
    if (bytes.substr(0, common) != signature.begin.substr(0, common)) continue;
    if (common == signature.begin.size()) return {Foreign::Match::kYes, signature.protocol};
    out.match = Foreign::Match::kNeedMore;
  }
  return out;
}

}  // namespace millrace::input
