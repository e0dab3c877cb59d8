// SPDX-License-Identifier: Apache-2.0
// Connections while receive memory is short, over real sockets.

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/messages.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::TcpClient;

// More frames under way than the limit allows in memory: all arrive in the end, one after the
// other.
TEST(ShortMemory, ReceiveMemoryIsBounded) {
  constexpr size_t kFrame = size_t{1} << 20;
  ForwardServer server(
      options_with([](ListenerOptions& o) { o.source.receive_memory_limit = 2 * kFrame; }));
  constexpr size_t kClients = 12;
  std::vector<std::thread> threads;
  std::atomic<bool> done{false};
  uint64_t most = 0;
  std::thread watcher([&] {
    while (!done) most = std::max(most, server.count(Metric::kReceiveBytes));
  });
  const std::string frame = big_message("c1", kFrame);
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    // The first half arrives before any is finished.
    ASSERT_TRUE(clients.back()->send(std::string_view(frame).substr(0, kFrame / 4)));
  }
  for (size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_TRUE(clients[i]->send(std::string_view(frame).substr(kFrame / 4)));
      expect_reply(*clients[i], ack_of("c1"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  EXPECT_EQ(server.events().size(), kClients);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
  // The limit, one favoured frame, and one read of everyone who was within a frame.
  EXPECT_LE(most, 2 * kFrame + 2 * kFrame + kClients * (size_t{300} << 10));
}

// Those who come when the limit is reached already add next to nothing.
TEST(ShortMemory, ManyUnfinishedFramesHoldLittleMoreThanTheLimit) {
  constexpr size_t kLimit = size_t{4} << 20;
  ForwardServer server(
      options_with([](ListenerOptions& o) { o.source.receive_memory_limit = kLimit; }));
  const std::string half = big_message("c1", 400'000).substr(0, 150'000);
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (size_t i = 0; i < 300; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(clients.back()->send(half));
  }
  ASSERT_TRUE(eventually([&] { return server.listener_->connections() == clients.size(); }));
  TcpClient small(server.port());
  ASSERT_TRUE(small.send(message("s")));
  expect_reply(small, ack_of("s"));
  // Twice the limit: who was admitted before has room for as much again as has arrived.
  EXPECT_LE(server.count(Metric::kReceiveBytes), 2 * kLimit + (size_t{1} << 20) + 300 * 16'384);
}

/// A frame stalls half way and holds more memory than there is; another client sends one as well.
struct StalledFrame {
  explicit StalledFrame(uint64_t frame_timeout_ms)
      : server(options_with([frame_timeout_ms](ListenerOptions& o) {
          o.source.receive_memory_limit = 100'000;
          o.source.frame_timeout_ms = frame_timeout_ms;
        })),
        stalled(server.port()) {
    EXPECT_TRUE(stalled.send(std::string_view(frame).substr(0, kSent)));
    EXPECT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > 100'000; }));
    good = std::make_unique<TcpClient>(server.port());
    sender = std::thread([this] { EXPECT_TRUE(good->send(frame)); });
  }
  ~StalledFrame() { sender.join(); }

  static constexpr size_t kSent = 500'000;
  const std::string frame = big_message("c1", 1 << 20);
  ForwardServer server;
  TcpClient stalled;
  std::unique_ptr<TcpClient> good;
  std::thread sender;
};

// Whoever is favoured while the memory is short must finish its frame, not only drip.
TEST(ShortMemory, AStalledFrameDoesNotHoldUpTheOthersForEver) {
  StalledFrame s(1000);
  std::atomic<bool> stop{false};
  std::thread dripper([&] {
    for (size_t at = s.kSent; !stop && s.stalled.send(std::string_view(s.frame).substr(at, 1));
         ++at) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  expect_reply(*s.good, ack_of("c1"));
  stop = true;
  dripper.join();
  EXPECT_EQ(s.server.count(Metric::kClosedFrameTimeout), 1u);
}

// It may take a second until the client has read our FIN.
TEST(ShortMemory, AConnectionThatIsBeingClosedHoldsUpNobody) {
  StalledFrame s(500);
  expect_reply(*s.good, ack_of("c1"));
  EXPECT_EQ(s.server.count(Metric::kClosedFrameTimeout), 1u);
  EXPECT_EQ(s.server.count(Metric::kConnections), 2u) << "the other one is still being closed";
}

// All of them at once, not one after the other.
TEST(ShortMemory, FramesThatDripWhileOthersWaitAreClosedTogether) {
  ForwardServer server(options_with([](ListenerOptions& o) {
    o.source.receive_memory_limit = 1'200'000;
    o.source.frame_timeout_ms = 1000;
  }));
  const std::string frame = big_message("c1", 1 << 20);
  constexpr size_t kDripping = 15;
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (size_t i = 0; i < kDripping; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(clients.back()->send(std::string_view(frame).substr(0, 50'000)));
  }
  ASSERT_TRUE(
      eventually([&] { return server.count(Metric::kReceiveBytes) >= kDripping * 50'000; }));
  for (auto& client : clients) {
    ASSERT_TRUE(client->send(std::string_view(frame).substr(50'000, 50'000)));
  }
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > 1'200'000; }));
  std::atomic<bool> stop{false};
  std::thread dripper([&] {
    for (size_t at = 100'000; !stop; ++at) {
      for (auto& client : clients) client->send(std::string_view(frame).substr(at, 1));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  TcpClient good(server.port());
  std::thread sender([&] { EXPECT_TRUE(good.send(frame)); });
  const auto began = std::chrono::steady_clock::now();
  expect_reply(good, ack_of("c1"));
  // One after the other they would take ten and more.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  stop = true;
  sender.join();
  dripper.join();
}

// Each connection has a share of the memory that large frames cannot take from it.
TEST(ShortMemory, SmallFramesNeedNotWaitForLargeOnesThatStopped) {
  constexpr size_t kLimit = size_t{4} << 20;
  ForwardServer server(
      options_with([](ListenerOptions& o) { o.source.receive_memory_limit = kLimit; }));
  const std::string half = big_message("c1", 400'000).substr(0, 120'000);
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (size_t i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(clients.back()->send(half));
  }
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > kLimit; }));
  TcpClient good(server.port());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(good.send(big_message("c2", 20'000)));
    expect_reply(good, ack_of("c2"));
  }
}

}  // namespace
}  // namespace millrace::input
