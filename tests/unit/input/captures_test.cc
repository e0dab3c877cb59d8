// SPDX-License-Identifier: Apache-2.0
// Recorded bytes of real agents: every event must come out as another MessagePack library read it.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "input/forward/message_reader.h"
#include "tests/unit/input/forward_server.h"

namespace millrace::input {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const fs::path kCaptures = fs::path(MILLRACE_SOURCE_DIR) / "tests/compat/captures";

struct Read {
  std::vector<Event> events;
  std::vector<std::string> chunks;
  uint64_t discarded = 0;
};

// Gives the bytes in pieces of `piece`, keeping what is not used, as a connection does.
Read read_stream(const std::string& bytes, size_t piece) {
  Read out;
  Inflater inflater(256 << 20);
  JsonRewriter rewriter;
  MessageReader reader(64 << 20, true);
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + piece);
    while (begin < end) {
      const Step step =
          reader.next(std::string_view(bytes).substr(begin, end - begin), {inflater, rewriter});
      EXPECT_NE(step.kind, Step::Kind::kClose);
      EXPECT_NE(step.kind, Step::Kind::kDropped);
      if (step.kind == Step::Kind::kClose || step.kind == Step::Kind::kNeedMore) break;
      if (step.kind == Step::Kind::kMessage) {
        EntryCounts counts;
        EXPECT_TRUE(take_events(step.decoded.message, out.events, counts));
        out.discarded += counts.not_a_map + counts.not_an_entry + counts.invalid_time +
                         counts.truncated + counts.odd_times;
        if (step.decoded.message.has_chunk) out.chunks.emplace_back(step.decoded.message.chunk);
      }
      begin += step.size;
      reader.next_message();
    }
  }
  EXPECT_EQ(begin, bytes.size());
  return out;
}

std::vector<std::string> captures() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kCaptures)) {
    if (entry.path().extension() != ".bin") continue;
    const std::string name = entry.path().stem().string();  // agent-settings.N
    const std::string session = name.substr(0, name.rfind('.'));
    const json server = json::parse(test::read_file((kCaptures / (session + ".json")).string()));
    // With a shared key the stream begins with a handshake.
    if (server.at("shared_key").is_null()) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Captures, EveryEventComesOutAsRecorded) {
  const std::vector<std::string> names = captures();
  ASSERT_GE(names.size(), 10u);
  size_t events = 0;
  size_t acks = 0;
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string bytes = test::read_file((kCaptures / (name + ".bin")).string());
    const Read read = read_stream(bytes, bytes.size() + 1);
    EXPECT_EQ(read.discarded, 0u);
    std::istringstream lines(test::read_file((kCaptures / (name + ".events.jsonl")).string()));
    size_t index = 0;
    for (std::string line; std::getline(lines, line); ++index) {
      ASSERT_LT(index, read.events.size());
      const Event& event = read.events[index];
      const json expected = json::parse(line);
      EXPECT_EQ(event.tag, expected.at("tag").get<std::string>());
      EXPECT_EQ(event.time.seconds, expected.at("sec").get<int64_t>());
      EXPECT_EQ(event.time.nanoseconds, expected.at("nsec").get<uint32_t>());
      EXPECT_EQ(json::from_msgpack(event.record), expected.at("record"));
    }
    EXPECT_EQ(index, read.events.size());
    events += index;
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}}) {
      const Read again = read_stream(bytes, piece);
      EXPECT_EQ(again.events, read.events);
      EXPECT_EQ(again.chunks, read.chunks);
    }
    const std::string session = name.substr(0, name.rfind('.'));
    const int number = std::stoi(name.substr(name.rfind('.') + 1));
    const json server = json::parse(test::read_file((kCaptures / (session + ".json")).string()));
    for (const json& connection : server.at("connections")) {
      if (connection.at("connection").get<int>() != number) continue;
      std::vector<std::string> expected;
      for (const json& ack : connection.at("acks"))
        expected.push_back(test::hex(ack.get<std::string>()));
      EXPECT_EQ(read.chunks, expected);
      acks += expected.size();
    }
  }
  EXPECT_GT(events, 100u);
  EXPECT_GT(acks, 5u);
  std::printf("%zu captures, %zu events, %zu acks\n", names.size(), events, acks);
}

}  // namespace
}  // namespace millrace::input
