// SPDX-License-Identifier: Apache-2.0
#include "format/json_string.h"

#include <bit>

#include "base/check.h"
#include "base/utf8.h"

namespace millrace::format {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

struct Escape {
  char text[6];
  uint8_t bytes;
};

Escape escape_of(unsigned char byte) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (byte) {
    case '"':
      return {{'\\', '"'}, 2};
    case '\\':
      return {{'\\', '\\'}, 2};
    case '\b':
      return {{'\\', 'b'}, 2};
    case '\t':
      return {{'\\', 't'}, 2};
    case '\n':
      return {{'\\', 'n'}, 2};
    case '\f':
      return {{'\\', 'f'}, 2};
    case '\r':
      return {{'\\', 'r'}, 2};
    default:
      return {{'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]}, 6};
  }
}

bool is_plain(unsigned char byte) { return byte >= 0x20 && byte != '"' && byte != '\\'; }

char* put_bytes(const char* bytes, size_t count, char* out, char* limit) {
  if (static_cast<size_t>(limit - out) < count) return nullptr;
  std::memcpy(out, bytes, count);
  return out + count;
}

// Copies plain bytes from `in` until one is not plain or the input ends; `in` is left there.
template <Utf8Mode kMode>
char* copy_plain(const char*& in, const char* in_end, char* out, char* limit) {
  while (in_end - in >= static_cast<ptrdiff_t>(kBlockBytes) &&
         limit - out >= static_cast<ptrdiff_t>(kBlockBytes)) {
    const uint32_t special = copy_block<kMode>(in, out);
    const int plain = special == 0 ? static_cast<int>(kBlockBytes) : std::countr_zero(special);
    in += plain;
    out += plain;
    if (special != 0) return out;
  }
  for (; in < in_end; ++in) {
    const auto byte = static_cast<unsigned char>(*in);
    if (!is_plain(byte) || (kMode == Utf8Mode::kValid && byte >= 0x80)) return out;
    if (out == limit) return nullptr;
    *out++ = *in;
  }
  return out;
}

// Copies well-formed sequences of several bytes, and replaces what is none, up to the next ASCII.
char* copy_sequences(const char*& in, const char* in_end, char* out, char* limit, bool& replaced) {
  while (in < in_end && static_cast<unsigned char>(*in) >= 0x80) {
    const size_t size = utf8_sequence_size(in, in_end);
    if (size != 0) {
      out = put_bytes(in, size, out, limit);
      in += size;
    } else {
      out = put_bytes(kReplacement.data(), kReplacement.size(), out, limit);
      in += utf8_invalid_size(in, in_end);
      replaced = true;
    }
    if (out == nullptr) return nullptr;
  }
  return out;
}

}  // namespace

template <Utf8Mode kMode>
char* escape_text(const char* in, const char* in_end, char* out, char* limit, bool& replaced) {
  for (;;) {
    out = copy_plain<kMode>(in, in_end, out, limit);
    if (out == nullptr || in == in_end) return out;
    const auto byte = static_cast<unsigned char>(*in);
    if (byte < 0x80) {
      const Escape escape = escape_of(byte);
      out = put_bytes(escape.text, escape.bytes, out, limit);
      ++in;
    } else {
      out = copy_sequences(in, in_end, out, limit, replaced);
    }
    if (out == nullptr) return nullptr;
  }
}

template char* escape_text<Utf8Mode::kValid>(const char*, const char*, char*, char*, bool&);
template char* escape_text<Utf8Mode::kRaw>(const char*, const char*, char*, char*, bool&);

std::string json_string(std::string_view text, bool& replaced) {
  std::string out(text.size() * 6 + 2, '"');  // six bytes for one is the most an escape takes
  char* const begin = out.data() + 1;
  char* const end = escape_text<Utf8Mode::kValid>(text.data(), text.data() + text.size(), begin,
                                                  out.data() + out.size(), replaced);
  CHECK(end != nullptr);
  *end = '"';
  out.resize(static_cast<size_t>(end - out.data()) + 1);
  return out;
}

}  // namespace millrace::format
