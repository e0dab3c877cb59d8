// SPDX-License-Identifier: Apache-2.0
// Any bytes as records back to back: one formatter for all of them, with room to spare, writes what
// a new one writes in exactly the room that is needed, and that is JSON.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "format/json_formatter.h"

namespace {

using millrace::EventTime;
using millrace::config::Format;
using millrace::config::JsonCompat;
using millrace::format::FormatResult;
using millrace::format::FormatStatus;
using millrace::format::JsonFormatter;

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
    if (result.record_end == nullptr) break;
    CHECK(result.record_end > p && result.record_end <= end);
    const std::string_view record(p, static_cast<size_t>(result.record_end - p));
    if (result.status == FormatStatus::kOk) {
      check_record(options, record, time,
                   {room.data(), static_cast<size_t>(result.out_end - room.data())});
    }
    p = result.record_end;
  }
  return 0;
}
