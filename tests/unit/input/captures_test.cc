// SPDX-License-Identifier: Apache-2.0
// Recorded bytes of real agents: every event must come out as another MessagePack library read it.
// Those with a shared key are replayed over a connection whose server makes up the recorded nonce
// and salt again, so that the recorded PING is right.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "input/forward/message_reader.h"
#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/handshakes.h"
#include "tests/unit/input/messages.h"

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

// The recorded connections of the sessions that have a shared key, or have none.
std::vector<std::string> captures(bool secured) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kCaptures)) {
    if (entry.path().extension() != ".bin") continue;
    const std::string name = entry.path().stem().string();  // agent-settings.N
    const std::string session = name.substr(0, name.rfind('.'));
    const json server = json::parse(test::read_file((kCaptures / (session + ".json")).string()));
    if (server.at("shared_key").is_null() != secured) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What the server recorded of the session that connection `name` belongs to.
json session_of(const std::string& name) {
  const std::string session = name.substr(0, name.rfind('.'));
  return json::parse(test::read_file((kCaptures / (session + ".json")).string()));
}

std::vector<std::string> acks_of(const std::string& name) {
  const int number = std::stoi(name.substr(name.rfind('.') + 1));
  const json session = session_of(name);
  std::vector<std::string> acks;
  for (const json& connection : session.at("connections")) {
    if (connection.at("connection").get<int>() != number) continue;
    for (const json& ack : connection.at("acks")) acks.push_back(test::hex(ack.get<std::string>()));
  }
  return acks;
}

// Compares with the recorded events; returns how many they are.
size_t expect_events(const std::string& name, const std::vector<Event>& events) {
  std::istringstream lines(test::read_file((kCaptures / (name + ".events.jsonl")).string()));
  size_t index = 0;
  for (std::string line; std::getline(lines, line); ++index) {
    if (index >= events.size()) continue;
    const Event& event = events[index];
    const json expected = json::parse(line);
    EXPECT_EQ(event.tag, expected.at("tag").get<std::string>());
    EXPECT_EQ(event.time.seconds, expected.at("sec").get<int64_t>());
    EXPECT_EQ(event.time.nanoseconds, expected.at("nsec").get<uint32_t>());
    EXPECT_EQ(json::from_msgpack(event.record), expected.at("record"));
  }
  EXPECT_EQ(index, events.size());
  return index;
}

TEST(Captures, EveryEventComesOutAsRecorded) {
  const std::vector<std::string> names = captures(false);
  ASSERT_GE(names.size(), 10u);
  size_t events = 0;
  size_t acks = 0;
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const std::string bytes = test::read_file((kCaptures / (name + ".bin")).string());
    const Read read = read_stream(bytes, bytes.size() + 1);
    EXPECT_EQ(read.discarded, 0u);
    events += expect_events(name, read.events);
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}}) {
      const Read again = read_stream(bytes, piece);
      EXPECT_EQ(again.events, read.events);
      EXPECT_EQ(again.chunks, read.chunks);
    }
    const std::vector<std::string> expected = acks_of(name);
    EXPECT_EQ(read.chunks, expected);
    acks += expected.size();
  }
  EXPECT_GT(events, 100u);
  EXPECT_GT(acks, 5u);
  std::printf("%zu captures, %zu events, %zu acks\n", names.size(), events, acks);
}

// The server of the recording: its name, key, user, nonce and salt.
ListenerOptions recorder(const json& session) {
  config::Security security{.self_hostname = session.at("server_hostname"),
                            .shared_key = session.at("shared_key")};
  if (!session.at("user").is_null()) {
    const std::string user = session.at("user");  // name:password
    const size_t colon = user.find(':');
    security.user_auth = true;
    security.users = {{user.substr(0, colon), user.substr(colon + 1)}};
  }
  // The recorder's salt was empty where it had no user; then nobody looks at what is made of it.
  const Challenge challenge =
      challenge_of(test::hex(session.at("nonce_hex").get<std::string>()),
                   test::hex(session.at("auth_salt_hex").get<std::string>()));
  return options_with([&](ListenerOptions& options) {
    options.source.security = security;
    options.gate.new_challenge = [challenge] { return challenge; };
  });
}

// Replays a connection in pieces; its events, and what the client read behind the HELO.
void replay(const std::string& name, size_t piece, std::vector<Event>& events,
            std::string& replies) {
  const json session = session_of(name);
  const std::string bytes = test::read_file((kCaptures / (name + ".bin")).string());
  ForwardServer server(recorder(session));
  test::TcpClient client(server.port());
  const std::string first = client.receive_exactly(helo({}).size());
  EXPECT_NE(first.find(test::hex(session.at("nonce_hex").get<std::string>())), std::string::npos);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    ASSERT_TRUE(client.send(std::string_view(bytes).substr(at, piece)));
  }
  client.shut_down();
  replies = client.receive_all();
  events = server.events();
  EXPECT_EQ(server.count(metrics::Metric::kHandshakes), 1u);
}

TEST(Captures, SecuredSessionsComeOutAsRecorded) {
  const std::vector<std::string> names = captures(true);
  std::set<std::string> sessions;
  size_t events = 0;
  size_t acks = 0;
  for (const std::string& name : names) {
    sessions.insert(name.substr(0, name.rfind('.')));
    const json session = session_of(name);
    const json& ping = session.at("connections").at(0).at("ping_fields");
    const std::string salt = test::hex(ping.at(2).get<std::string>());
    const std::string hostname = session.at("server_hostname");
    const std::string nonce = test::hex(session.at("nonce_hex").get<std::string>());
    std::string expected =
        pong_accepted(hostname, shared_key_digest(salt, hostname, challenge_of(nonce, ""),
                                                  session.at("shared_key").get<std::string>()));
    const std::vector<std::string> chunks = acks_of(name);
    for (const std::string& chunk : chunks) expected += ack_of(chunk);
    acks += chunks.size();
    for (const size_t piece : {size_t{1} << 20, size_t{1}, size_t{1000}}) {
      SCOPED_TRACE(name + " in pieces of " + std::to_string(piece));
      std::vector<Event> found;
      std::string replies;
      replay(name, piece, found, replies);
      EXPECT_EQ(replies, expected);
      const size_t count = expect_events(name, found);
      if (piece == 1) events += count;
    }
  }
  EXPECT_EQ(sessions.size(), 3u);
  EXPECT_GT(events, 50u);
  EXPECT_GE(acks, 4u);
  std::printf("%zu captures, %zu events, %zu acks\n", names.size(), events, acks);
}

}  // namespace
}  // namespace millrace::input
