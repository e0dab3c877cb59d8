// SPDX-License-Identifier: Apache-2.0
// Any bytes as records back to back: one formatter for all of them, with room to spare, writes each
// as a slow second writer does, to the byte, and says of the others why not: what is whole, a map
// and not too deep is never refused. A new formatter writes the same in exactly the room that is
// needed, and that is JSON.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "format/json_formatter.h"
#include "tests/support/frame_judge.h"
#include "tests/support/reference_json.h"

namespace {

using millrace::EventTime;
using millrace::config::Format;
using millrace::config::JsonCompat;
using millrace::format::FormatResult;
using millrace::format::FormatStatus;
using millrace::format::JsonFormatter;
using millrace::testing::judge_last_value;
using millrace::testing::Judged;
namespace reference = millrace::format::reference;

constexpr std::string_view kTag = "a\xff\"tag";

// A record's bytes alone, so that a step too far is noticed; the room likewise.
FormatResult alone(const Format& options, std::string_view record, EventTime time, size_t room,
                   std::string& out) {
  JsonFormatter formatter(options);
  formatter.set_tag(kTag);
  const std::vector<char> input(record.begin(), record.end());
  std::vector<char> bytes(room);
  const FormatResult result = formatter.format(input.data(), input.data() + input.size(), time,
                                               bytes.data(), bytes.data() + bytes.size());
  if (result.status == FormatStatus::kOk) out.assign(bytes.data(), result.out_end);
  return result;
}

void check_record(const Format& options, std::string_view record, EventTime time,
                  std::string_view json) {
  std::string again;
  CHECK(alone(options, record, time, json.size(), again).status == FormatStatus::kOk);
  CHECK(again == json);
  CHECK(alone(options, record, time, json.size() - 1, again).status == FormatStatus::kNoSpace);
  CHECK(options.append_newline == (json.back() == '\n'));
  if (options.json_compat == JsonCompat::kValid) CHECK(nlohmann::json::accept(json));
}

// What follows from where msgpack-c finds the end of the value.
void check_status(const FormatResult& result, const char* p, const char* end) {
  const Judged judged = judge_last_value({p, static_cast<size_t>(end - p)});
  if (judged.kind != Judged::Kind::kWhole) {
    const bool cut = judged.kind == Judged::Kind::kCut;
    CHECK(result.status == (cut ? FormatStatus::kTruncated : FormatStatus::kMalformed));
    CHECK(result.record_end == nullptr);
    return;
  }
  CHECK(result.record_end == p + judged.size);
  const auto lead = static_cast<uint8_t>(*p);
  const bool is_map = (lead & 0xf0) == 0x80 || lead == 0xde || lead == 0xdf;
  CHECK((result.status == FormatStatus::kNotMap) == !is_map);
  CHECK(result.status != FormatStatus::kTruncated && result.status != FormatStatus::kMalformed);
}

// Of a whole map.
void check_text(const Format& options, std::string_view record, EventTime time,
                const FormatResult& result, std::string_view json, size_t room) {
  reference::Pairs injected;
  if (options.inject) {
    injected = {{"time", '"' + reference::time_text(time) + '"'},
                {"tag", reference::json_text(kTag)}};
  }
  reference::Writer writer(options.json_compat == JsonCompat::kOj);
  const std::string expected =
      writer.record(record, injected) + (options.append_newline ? "\n" : "");
  if (writer.too_deep()) {
    CHECK(result.status == FormatStatus::kTooDeep || result.status == FormatStatus::kNoSpace);
    return;
  }
  // Records this small are never too costly.
  CHECK(result.status == FormatStatus::kOk || result.status == FormatStatus::kNoSpace);
  if (writer.unsure()) return;
  CHECK((result.status == FormatStatus::kNoSpace) == (expected.size() > room));
  CHECK(result.status != FormatStatus::kOk || json == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Format options;
  options.inject = (data[0] & 1) != 0;
  options.append_newline = (data[0] & 2) != 0;
  options.json_compat = (data[0] & 4) != 0 ? JsonCompat::kOj : JsonCompat::kValid;
  const EventTime time{data[1] * 1'000'000'007LL - 100'000'000'000, data[0] * 3'000'000U};
  JsonFormatter formatter(options);
  formatter.set_tag(kTag);
  const std::vector<char> input(data + 2, data + size);
  std::vector<char> room(size * 8 + 2048);
  const char* p = input.data();
  const char* const end = p + input.size();
  while (p < end) {
    const FormatResult result =
        formatter.format(p, end, time, room.data(), room.data() + room.size());
    check_status(result, p, end);
    if (result.record_end == nullptr) break;
    const std::string_view record(p, static_cast<size_t>(result.record_end - p));
    p = result.record_end;
    if (result.status == FormatStatus::kNotMap) continue;
    const bool ok = result.status == FormatStatus::kOk;
    const std::string_view json(room.data(),
                                ok ? static_cast<size_t>(result.out_end - room.data()) : 0);
    check_text(options, record, time, result, json, room.size());
    if (ok) check_record(options, record, time, json);
  }
  return 0;
}
