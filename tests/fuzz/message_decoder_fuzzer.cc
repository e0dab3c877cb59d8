// SPDX-License-Identifier: Apache-2.0
// Any bytes as a connection: split, decoded, unpacked, and every entry walked. Each step, tag, ack
// and option is what a slow second reader (tests/support/forward_judge.h) makes of the same bytes,
// and so are all entries, their times, and the counts of what was passed over; and all of it is the
// same whatever the pieces. The tag that is told of a message that has only begun is its tag.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "input/forward/ack.h"
#include "input/forward/entry_reader.h"
#include "input/forward/message_reader.h"
#include "tests/support/forward_judge.h"

namespace {

using millrace::EventTime;
using millrace::input::Step;
using millrace::testing::ForwardJudge;
using millrace::testing::JudgedEntries;
using millrace::testing::JudgedStep;
using millrace::testing::repacked;
namespace input = millrace::input;
namespace token = millrace::msgpack_token;

constexpr uint64_t kLimit = 1 << 16;
constexpr size_t kTagOftenBytes = 1024;
constexpr EventTime kNow{1'800'000'000, 0};

// The judge has tools of its own: a step's views end with the next use of them.
struct Tools {
  input::Inflater inflater{kLimit};
  input::JsonRewriter rewriter;
  input::Inflater judges_inflater{kLimit};
};

// `judged` is nothing when only the sum is wanted.
void walk(const input::Message& message, const JudgedEntries* judged, std::string& seen) {
  // In memory of exactly this size, so that a step too far is noticed.
  const std::string entries(message.entries);
  input::EntryReader reader(entries, message.shape, kNow);
  input::Entry entry;
  size_t found = 0;
  const char* behind = entries.data();
  while (reader.next(entry)) {
    CHECK(entry.begin >= behind && entry.begin <= entry.record);
    CHECK(entry.record >= entries.data() && entry.record < entries.data() + entries.size());
    CHECK(entry.time.nanoseconds < 1'000'000'000);
    seen += std::to_string(entry.time.seconds);
    const char* p = entry.record;
    const token::Status status = token::skip(p, reader.end());
    if (status != token::Status::kOk) {
      CHECK(!reader.skip_record());
      break;
    }
    if (judged != nullptr && found < judged->entries.size()) {
      const JudgedEntries::Entry& expected = judged->entries[found];
      CHECK(entry.time.seconds == expected.time.seconds);
      CHECK(entry.time.nanoseconds == expected.time.nanoseconds);
      CHECK(repacked({entry.record, static_cast<size_t>(p - entry.record)}) == expected.record);
    }
    ++found;
    reader.advance(p);
    behind = reader.at();
    const char* q = entry.begin;  // of one value that ends there, if it is whole
    const bool is_value = message.shape == input::Shape::kEntries &&
                          token::skip(q, reader.end()) == token::Status::kOk;
    if (is_value) CHECK(q == behind);
  }
  seen += reader.malformed() ? 'm' : 'w';
  if (judged == nullptr) return;
  using End = JudgedEntries::End;
  // Of an entry that is cut behind its record the record is good.
  CHECK(found == judged->entries.size() ||
        (judged->end != End::kWhole && found == judged->entries.size() + 1));
  CHECK(!reader.malformed() || judged->end == End::kMalformed ||
        judged->end == End::kCutOrMalformed);
  CHECK(reader.malformed() || judged->end != End::kMalformed);
  const input::EntryCounts& counts = reader.counts();
  CHECK(counts.truncated == (judged->end != End::kWhole && !reader.malformed() ? 1 : 0));
  if (judged->end != End::kWhole) return;
  CHECK(counts.not_an_entry == judged->counts.not_an_entry);
  CHECK(counts.not_a_map == judged->counts.not_a_map);
  CHECK(counts.invalid_time == judged->counts.invalid_time);
  CHECK(counts.odd_times == judged->counts.odd_times);
}

void check_ack(std::string_view value, bool is_json, std::string& seen) {
  std::string ack;
  if (is_json) {
    input::append_json_ack(ack, value);
    const auto expected = nlohmann::json::from_msgpack(value);
    const auto read = nlohmann::json::parse(ack);
    CHECK(read.size() == 1 && read.at("ack") == expected);
  } else {
    input::append_ack(ack, value);
    CHECK(ack ==
          "\x81\xa3"
          "ack" +
              std::string(value));
    const char* p = value.data();
    CHECK(token::skip(p, p + value.size()) == token::Status::kOk);
    CHECK(p == value.data() + value.size());
  }
  seen += ack;
}

void check_step(const Step& step, const JudgedStep& judged) {
  if (step.kind == Step::Kind::kNeedMore && judged.or_need_more) return;
  CHECK(step.kind == judged.kind);
  if (step.kind == Step::Kind::kClose) CHECK(step.reason == judged.reason);
  if (step.kind == Step::Kind::kClose || step.kind == Step::Kind::kNeedMore) return;
  CHECK(step.size == judged.size);
  if (step.kind == Step::Kind::kNothing) return;
  if (step.kind == Step::Kind::kUndecodable) CHECK(step.reason == judged.reason);
  if (step.kind == Step::Kind::kDropped) {
    using millrace::metrics::Metric;
    CHECK(step.dropped == (judged.signal ? Metric::kDiscardedSignal : Metric::kDiscardedMessage));
  }
  const input::Message& message = step.decoded.message;
  const std::string_view ack = step.decoded.ack_value;
  CHECK(message.tag == judged.tag);
  CHECK((ack.empty() ? "" : repacked(ack)) == judged.chunk);
  CHECK(message.has_chunk == !ack.empty());
  if (judged.chunk_text) {
    CHECK(message.chunk == *judged.chunk_text);
  } else if (!ack.empty()) {
    // A number goes with its name, so that it is no string's bytes.
    const std::string_view name = message.chunk.substr(0, message.chunk.size() - ack.size());
    CHECK(message.chunk.ends_with(ack) && name.ends_with("chunk"));
  } else {
    CHECK(message.chunk.empty());
  }
  CHECK(step.decoded.odd_option == judged.odd_option);
  CHECK(message.has_size_option == judged.size_option.has_value());
  CHECK(message.size_option == judged.size_option.value_or(0));
  if (step.kind == Step::Kind::kDropped) return;
  CHECK(message.mode == judged.mode && message.decimals == judged.decimals);
}

// `told` when the message had only begun: told if it came byte by byte, and never another one.
void check_told(const std::optional<std::string>& told, const Step& step, bool is_json,
                bool by_byte) {
  const std::string_view tag = step.decoded.message.tag;
  if (told) CHECK(*told == tag);
  if (by_byte && !is_json && step.kind == Step::Kind::kMessage) CHECK(told.has_value());
}

// What a connection would do, as text; judged when it comes in one piece.
std::string read_all(std::string_view bytes, size_t piece, Tools& tools) {
  input::MessageReader reader(kLimit, true);
  ForwardJudge judge(kLimit, tools.judges_inflater, kNow);
  std::string seen;
  std::optional<std::string> told;
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + piece);
    while (begin < end) {
      const std::string_view here = bytes.substr(begin, end - begin);
      const Step step = reader.next(here, {tools.inflater, tools.rewriter});
      const bool judging = piece > bytes.size();
      const JudgedStep judged = judging ? judge.next(here) : JudgedStep{};
      if (judging) check_step(step, judged);
      if (step.kind == Step::Kind::kNeedMore) {
        // A tag of JSON is read and made anew each time, which may be 64 KiB for each byte.
        if (reader.is_json() && here.size() > kTagOftenBytes && here.size() % kTagOftenBytes != 0) {
          break;
        }
        const std::optional<std::string_view> tag =
            reader.tag(here, {tools.inflater, tools.rewriter});
        CHECK(!told || (tag && *tag == *told));
        if (tag) told = *tag;
        break;
      }
      if (step.kind == Step::Kind::kClose) return seen + "close" + std::to_string(int(step.reason));
      CHECK(step.size > 0 && step.size <= here.size());
      if (step.kind == Step::Kind::kMessage || step.kind == Step::Kind::kUndecodable) {
        check_told(told, step, reader.is_json(), piece == 1);
      }
      told.reset();
      const std::string_view value = step.decoded.ack_value;
      if (!value.empty()) check_ack(value, reader.is_json(), seen);
      if (step.kind == Step::Kind::kMessage) {
        walk(step.decoded.message, judging ? &judged.entries : nullptr, seen);
      }
      if (step.kind == Step::Kind::kUndecodable) seen += "lost" + std::to_string(int(step.reason));
      begin += step.size;
      reader.next_message();
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tools tools;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string whole = read_all(bytes, bytes.size() + 1, tools);
  CHECK(whole == read_all(bytes, 1 + data[0] % 16, tools));
  return 0;
}
