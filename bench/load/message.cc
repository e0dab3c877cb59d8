// SPDX-License-Identifier: Apache-2.0
#include "bench/load/message.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string_view>

#include "base/check.h"
#include "base/encoding.h"
#include "base/endian.h"

namespace millrace::bench {
namespace {

constexpr size_t kSeqDigits = 12;
constexpr uint32_t kFirstSecond = 1'795'219'200;
constexpr uint32_t kNanosecondStep = 7'919;

constexpr std::array<std::string_view, 10> kMethods = {"GET", "GET", "GET", "GET",  "GET",
                                                       "GET", "PUT", "PUT", "POST", "POST"};
constexpr std::array<std::string_view, 5> kPaths = {"search", "cart", "users", "orders", "items"};
constexpr std::array<uint16_t, 7> kStatuses = {200, 200, 200, 201, 304, 404, 500};
constexpr std::array<std::string_view, 3> kAgents = {
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
    "okhttp/4.12.0 (Android 14; Pixel 8; UQ1A.240105.004)"};
constexpr std::array<std::string_view, 2> kNamespaces = {"prod", "staging"};
constexpr std::array<std::string_view, 2> kStreams = {"stdout", "stderr"};

template <std::unsigned_integral T>
void append_be(std::string& out, T value) {
  char bytes[sizeof value];
  store_be<T>(bytes, value);
  out.append(bytes, sizeof bytes);
}

void append_str(std::string& out, std::string_view text) {
  CHECK(text.size() < 256);
  if (text.size() >= 32) out.push_back('\xd9');
  out.push_back(static_cast<char>(text.size() < 32 ? 0xa0 | text.size() : text.size()));
  out.append(text);
}

void append_str32_header(std::string& out, size_t size) {
  out.push_back('\xdb');
  append_be<uint32_t>(out, static_cast<uint32_t>(size));
}

void append_uint(std::string& out, uint32_t value) {
  if (value < 128) {
    out.push_back(static_cast<char>(value));
  } else if (value < 256) {
    out.push_back('\xcc');
    out.push_back(static_cast<char>(value));
  } else if (value < 65536) {
    out.push_back('\xcd');
    append_be<uint16_t>(out, static_cast<uint16_t>(value));
  } else {
    out.push_back('\xce');
    append_be<uint32_t>(out, value);
  }
}

void append_double(std::string& out, double value) {
  out.push_back('\xcb');
  append_be<uint64_t>(out, std::bit_cast<uint64_t>(value));
}

// A generator of our own arithmetic: the standard's distributions differ between libraries.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  uint32_t below(uint32_t end) { return static_cast<uint32_t>(engine_() % end); }
  template <class Array>
  auto one_of(const Array& values) {
    return values[below(static_cast<uint32_t>(values.size()))];
  }

 private:
  std::mt19937_64 engine_;
};

std::string remote_address(Dice& dice) {
  return "10." + std::to_string(dice.below(32)) + "." + std::to_string(dice.below(256)) + "." +
         std::to_string(dice.below(256));
}

std::string pod_name(Dice& dice) {
  const std::string number = std::to_string(dice.below(40));
  return "web-7d4b9c-" + std::string(5 - number.size(), '0') + number;
}

void append_record(std::string& out, Dice& dice) {
  out.push_back('\x8b');  // a map of eleven
  append_str(out, "remote_addr");
  append_str(out, remote_address(dice));
  append_str(out, "method");
  append_str(out, dice.one_of(kMethods));
  append_str(out, "path");
  const std::string_view path = dice.one_of(kPaths);
  append_str(out, "/v1/" + std::string(path) + "/" + std::to_string(dice.below(1'000'000)));
  append_str(out, "status");
  append_uint(out, dice.one_of(kStatuses));
  append_str(out, "bytes");
  append_uint(out, dice.below(60'000));
  append_str(out, "rt");
  append_double(out, dice.below(100'000) / 100'000.0);
  append_str(out, "user_agent");
  append_str(out, dice.one_of(kAgents));
  append_str(out, "ns");
  append_str(out, dice.one_of(kNamespaces));
  append_str(out, "pod");
  append_str(out, pod_name(dice));
  append_str(out, "stream");
  append_str(out, dice.one_of(kStreams));
  append_str(out, "seq");
  append_str(out, std::string(kSeqDigits, '0'));  // stays last: its digits are written later
}

// An entry's bytes around the text of `message`, with the header of a str 32.
constexpr size_t kAroundText = 11 + 1 + 8 + 5 + 4 + 1 + kSeqDigits;

void append_text_record(std::string& out, size_t entry_bytes, Dice& dice) {
  CHECK(entry_bytes >= kEventBytesMin);
  out.push_back('\x82');
  append_str(out, "message");
  const size_t end = out.size() + 5 + entry_bytes - kAroundText;
  append_str32_header(out, entry_bytes - kAroundText);
  while (out.size() < end) {
    out += dice.one_of(kAgents);
    out += ' ';
  }
  out.resize(end);
  append_str(out, "seq");
  append_str(out, std::string(kSeqDigits, '0'));
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
        Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

ChunkText chunk_text(uint64_t run, uint64_t message_number) {
  char bytes[16];
  store_be<uint64_t>(bytes, run);
  store_be<uint64_t>(bytes + 8, message_number);
  const std::string text = base64_encode({bytes, sizeof bytes});
  ChunkText chunk;
  CHECK(text.size() == chunk.size());
  std::copy(text.begin(), text.end(), chunk.begin());
  return chunk;
}

Message::Message(const MessageShape& shape) : tag_(shape.tag), acks_(shape.acks) {
  bytes_.push_back('\x93');
  append_str(bytes_, tag_);
  append_str32_header(bytes_, 0);
  payload_at_ = bytes_.size();
  append_entries(shape);
  payload_end_ = bytes_.size();
  store_be<uint32_t>(bytes_.data() + payload_at_ - 4,
                     static_cast<uint32_t>(payload_end_ - payload_at_));
  append_option("text", std::string(kChunkIdSize, 'A'), bytes_);
  if (acks_) chunk_at_ = bytes_.size() - kChunkIdSize;
}

void Message::append_entries(const MessageShape& shape) {
  Dice dice(shape.seed);
  for (uint32_t i = 0; i < shape.events; ++i) {
    bytes_.append("\x92\xd7\x00", 3);  // [EventTime (ext 0, 8 bytes), record]
    append_be<uint32_t>(bytes_, kFirstSecond);
    append_be<uint32_t>(bytes_, (i + 1) * kNanosecondStep % 1'000'000'000);
    if (shape.event_bytes == 0) {
      append_record(bytes_, dice);
    } else {
      append_text_record(bytes_, shape.event_bytes, dice);
    }
    seq_at_.push_back(static_cast<uint32_t>(bytes_.size() - kSeqDigits));
  }
}

void Message::append_option(const char* compressed, std::string_view chunk,
                            std::string& out) const {
  out.push_back(acks_ ? '\x83' : '\x82');  // keys in the order of Fluentd's client
  append_str(out, "size");
  append_uint(out, events());
  append_str(out, "compressed");
  append_str(out, compressed);
  if (!acks_) return;
  append_str(out, "chunk");
  append_str(out, chunk);
}

void Message::number(uint64_t first_seq, const ChunkText& chunk) {
  for (const uint32_t at : seq_at_) {
    uint64_t rest = first_seq++;
    for (size_t digit = kSeqDigits; digit-- > 0; rest /= 10) {
      bytes_[at + digit] = static_cast<char>('0' + rest % 10);
    }
  }
  if (chunk_at_ != 0) std::copy(chunk.begin(), chunk.end(), bytes_.data() + chunk_at_);
}

std::string Message::gzipped() const {
  const std::string_view all = bytes_;
  const std::string payload = gzip(all.substr(payload_at_, payload_end_ - payload_at_));
  std::string out("\x93");
  append_str(out, tag_);
  append_str32_header(out, payload.size());
  out += payload;
  append_option("gzip", acks_ ? all.substr(chunk_at_, kChunkIdSize) : std::string_view(), out);
  return out;
}

}  // namespace millrace::bench
