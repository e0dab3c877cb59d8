// SPDX-License-Identifier: Apache-2.0
// Connections whose log is full beside connections whose log is not, while receive memory is short.

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/messages.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::TcpClient;

constexpr size_t kFrame = size_t{1} << 20;

ListenerOptions with_memory(uint64_t limit) {
  return options_with([=](ListenerOptions& o) { o.source.receive_memory_limit = limit; });
}

// Clients that each send one frame; a thread each, because the server does not read them all.
class Senders {
 public:
  Senders(ForwardServer& server, size_t count, const std::string& frame) {
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<TcpClient>(server.port()));
      threads_.emplace_back([&client = *clients_.back(), frame] { client.send(frame); });
    }
  }
  ~Senders() { join(); }

  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  TcpClient& operator[](size_t i) { return *clients_[i]; }

 private:
  std::vector<std::unique_ptr<TcpClient>> clients_;
  std::vector<std::thread> threads_;
};

TEST(FullLog, LeavesTheMemoryToTheOthers) {
  constexpr uint64_t kLimit = 6 * kFrame;
  constexpr size_t kStuck = 12;
  ForwardServer server(with_memory(kLimit));
  server.on_loop([&] { server.receiver_.full_tag = "full"; });
  Senders stuck(server, kStuck, big_message("c1", kFrame, "full"));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == kStuck; }));
  // Half of the limit, their shares, and what each brought in one read more.
  const uint64_t held = server.count(Metric::kReceiveBytes);
  EXPECT_GT(held, kLimit / 2);
  EXPECT_LE(held, kLimit / 2 + kLimit / 4 + kStuck * 2 * ConnectionContext::kReadBytes);

  TcpClient good(server.port());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(good.send(big_message("c2", kFrame)));
    expect_reply(good, ack_of("c2"));
  }
  EXPECT_EQ(server.count(Metric::kPausedConnections), kStuck);

  server.on_loop([&] {
    server.receiver_.full_tag = "-";
    server.listener_->resume();
  });
  for (size_t i = 0; i < kStuck; ++i) expect_reply(stuck[i], ack_of("c1"));
  stuck.join();
  EXPECT_EQ(server.events().size(), kStuck + 20);
  EXPECT_EQ(server.count(Metric::kPausedConnections), 0u);
}

// The whole memory is taken when the log becomes full: the others go on one by one.
TEST(FullLog, ThatHoldsAllMemoryHoldsUpNobody) {
  constexpr uint64_t kLimit = 2 * kFrame;
  ForwardServer server(with_memory(kLimit));
  const std::string frame = big_message("c1", kFrame, "full");
  std::vector<std::unique_ptr<TcpClient>> stuck;
  for (size_t i = 0; i < 12; ++i) {
    stuck.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(stuck.back()->send(std::string_view(frame).substr(0, kFrame / 4)));
  }
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > kLimit; }));
  server.on_loop([&] { server.receiver_.full_tag = "full"; });
  const std::string_view rest = std::string_view(frame).substr(kFrame / 4);
  std::vector<std::thread> threads;
  for (auto& client : stuck) threads.emplace_back([&client, rest] { client->send(rest); });

  Senders good(server, 3, big_message("c2", kFrame));
  for (size_t i = 0; i < 3; ++i) expect_reply(good[i], ack_of("c2"));

  server.on_loop([&] {
    server.receiver_.full_tag = "-";
    server.listener_->resume();
  });
  for (auto& client : stuck) expect_reply(*client, ack_of("c1"));
  for (std::thread& thread : threads) thread.join();
}

// The favoured one had room when it was let in and finds none when its frame is whole.
TEST(FullLog, TheFavourPassesOnWhenAMessageWaitsForItsLog) {
  ForwardServer server(with_memory(500'000));
  server.on_loop([&] { server.receiver_.verdicts = {Verdict::kNotNow}; });
  TcpClient waits(server.port());
  ASSERT_TRUE(waits.send(big_message("c1", kFrame)));
  ASSERT_TRUE(
      eventually([&] { return server.ask<int>([&] { return server.receiver_.offered; }) == 1; }));
  TcpClient good(server.port());
  ASSERT_TRUE(good.send(big_message("c2", kFrame)));
  expect_reply(good, ack_of("c2"));
  server.on_loop([&] { server.listener_->resume(); });
  expect_reply(waits, ack_of("c1"));
}

// Who waits in the midst of a message is asked again without being read, and leaves in time.
TEST(FullLog, WhoWaitsWithinAMessageIsClosedAtTheAckDeadline) {
  ListenerOptions options = with_memory(100'000);
  options.ack_deadline_ms = 100;
  ForwardServer server(std::move(options));
  server.on_loop([&] { server.receiver_.full_tag = "full"; });
  Senders stuck(server, 1, big_message("c1", kFrame, "full"));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == 1; }));
  const auto asked = [&] {
    return server.ask<size_t>([&] { return server.receiver_.asked_for_room; });
  };
  const size_t before = asked();
  server.on_loop([&] { server.listener_->resume(); });
  ASSERT_TRUE(eventually([&] { return asked() == before + 1; }));
  EXPECT_EQ(server.ask<int>([&] { return server.receiver_.offered; }), 0);
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kConnections) == 0; }));
  EXPECT_EQ(server.count(Metric::kClosedAckDeadline), 1u);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
}

}  // namespace
}  // namespace millrace::input
