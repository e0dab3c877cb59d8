// SPDX-License-Identifier: Apache-2.0
// Any bytes as a connection: split, decoded, unpacked, and every entry walked; the same whatever
// the pieces they arrive in.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "input/forward/ack.h"
#include "input/forward/entry_reader.h"
#include "input/forward/message_reader.h"

namespace {

using millrace::input::Step;
namespace input = millrace::input;
namespace token = millrace::msgpack_token;

void walk(const input::Message& message, std::string& seen) {
  // In memory of exactly this size, so that a step too far is noticed.
  const std::string entries(message.entries);
  input::EntryReader reader(entries, message.shape, {1'800'000'000, 0});
  input::Entry entry;
  while (reader.next(entry)) {
    CHECK(entry.record >= entries.data() && entry.record < entries.data() + entries.size());
    CHECK(entry.time.nanoseconds < 1'000'000'000);
    seen += std::to_string(entry.time.seconds);
    const char* p = entry.record;
    const token::Status status = token::skip(p, reader.end());
    if (status == token::Status::kOk) {
      reader.advance(p);
    } else {
      CHECK(!reader.skip_record());
    }
  }
  seen += reader.malformed() ? 'm' : 'w';
}

// What a connection would do, as text.
std::string read_all(std::string_view bytes, size_t piece, input::Inflater& inflater,
                     input::JsonRewriter& rewriter) {
  input::MessageReader reader(1 << 16, true);
  std::string seen;
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + piece);
    while (begin < end) {
      const Step step = reader.next(bytes.substr(begin, end - begin), {inflater, rewriter});
      if (step.kind == Step::Kind::kNeedMore) break;
      if (step.kind == Step::Kind::kClose) return seen + "close" + std::to_string(int(step.reason));
      CHECK(step.size > 0 && step.size <= end - begin);
      const std::string_view value = step.decoded.ack_value;
      if (!value.empty()) {
        reader.is_json() ? input::append_json_ack(seen, value) : input::append_ack(seen, value);
        const char* p = value.data();
        CHECK(token::skip(p, p + value.size()) == token::Status::kOk);
        CHECK(p == value.data() + value.size());
      }
      if (step.kind == Step::Kind::kMessage) walk(step.decoded.message, seen);
      if (step.kind == Step::Kind::kUndecodable) seen += "lost" + std::to_string(int(step.reason));
      begin += step.size;
      reader.next_message();
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static input::Inflater inflater(1 << 16);
  static input::JsonRewriter rewriter;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string whole = read_all(bytes, bytes.size() + 1, inflater, rewriter);
  CHECK(whole == read_all(bytes, 1 + data[0] % 16, inflater, rewriter));
  return 0;
}
