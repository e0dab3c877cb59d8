// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "event/loop.h"
#include "event/tcp_listener.h"
#include "event/tcp_stream.h"
#include "tests/support/tcp_client.h"

namespace millrace::event {
namespace {

using test::TcpClient;

// Echoes what comes, finishes after the peer's FIN.
class Echo final : public StreamOwner {
 public:
  explicit Echo(std::unique_ptr<TcpStream> stream) : stream_(std::move(stream)) {
    stream_->set_owner(this);
    stream_->start_reading();
  }
  ReadBuffer read_buffer() override { return {buffer_.data(), buffer_.size()}; }
  void on_read(size_t bytes) override { stream_->write({buffer_.data(), bytes}); }
  void on_end() override { stream_->finish(1000); }
  void on_broken(int errno_value) override { broken_ = errno_value; }
  void on_written() override { ++written_; }
  void on_finished() override { finished_ = true; }

  TcpStream& stream() { return *stream_; }
  bool gone() const { return finished_ || broken_ != 0; }
  int broken() const { return broken_; }
  int written() const { return written_; }

 private:
  std::unique_ptr<TcpStream> stream_;
  std::array<char, 4096> buffer_{};
  bool finished_ = false;
  int broken_ = 0;
  int written_ = 0;
};

// A loop on a thread of its own, with echoing connections.
class EchoServer {
 public:
  explicit EchoServer(const std::string& address = "127.0.0.1", uint16_t port = 0,
                      bool must_be_free = true)
      : end_of_turn_(loop_, TurnStage::kInput, [this] { sweep(); }) {
    Result<std::unique_ptr<TcpListener>> listener = TcpListener::open(
        loop_, {.address = address, .port = port, .port_must_be_free = must_be_free},
        [this](std::unique_ptr<TcpStream> stream) {
          peers_.push_back(stream->peer_address());
          echoes_.push_back(std::make_unique<Echo>(std::move(stream)));
          ++accepted_;
        });
    if (!listener) {
      error_ = listener.error();
      return;
    }
    listener_ = std::move(*listener);
    port_ = listener_->port();
  }
  ~EchoServer() { stop(); }

  void start() {
    thread_ = std::thread([this] { loop_.run(); });
  }
  void stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Loop loop_;
  EndOfTurn end_of_turn_;
  std::unique_ptr<TcpListener> listener_;
  std::vector<std::unique_ptr<Echo>> echoes_;
  std::vector<std::string> peers_;
  std::atomic<int> accepted_{0};
  std::atomic<int> gone_{0};
  std::atomic<int> written_{0};
  Error error_;
  uint16_t port_ = 0;

 private:
  void sweep() {
    for (std::unique_ptr<Echo>& echo : echoes_) written_ = written_ + echo->written();
    const size_t before = echoes_.size();
    std::erase_if(echoes_, [](const std::unique_ptr<Echo>& echo) { return echo->gone(); });
    gone_ += static_cast<int>(before - echoes_.size());
  }
  std::thread thread_;
};

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(Tcp, EchoesAndClosesWithFin) {
  EchoServer server;
  ASSERT_GT(server.port_, 0);
  server.start();
  TcpClient client(server.port_);
  ASSERT_TRUE(client.send("hello"));
  EXPECT_EQ(client.receive_exactly(5), "hello");
  client.shut_down();
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_TRUE(eventually([&] { return server.gone_ == 1; }));
  server.stop();
  EXPECT_EQ(server.peers_.at(0), "127.0.0.1");
}

TEST(Tcp, BytesThatTheSocketDoesNotTakeAreQueuedInOrder) {
  EchoServer server;
  server.start();
  TcpClient client(server.port_);
  ASSERT_TRUE(client.send("x"));
  ASSERT_EQ(client.receive(), "x");
  std::string sent(32 << 20, '\0');  // more than both socket buffers hold
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 4096);
  std::atomic<size_t> queued{0};
  server.loop_.post([&] {
    TcpStream& stream = server.echoes_.at(0)->stream();
    for (size_t at = 0; at < sent.size(); at += 1 << 20) {
      stream.write(std::string_view(sent).substr(at, 1 << 20));
    }
    queued = stream.queued_bytes();
  });
  ASSERT_TRUE(eventually([&] { return queued > 0; }));
  EXPECT_TRUE(client.receive_exactly(sent.size()) == sent);
  EXPECT_TRUE(eventually([&] { return server.written_ > 0; }));
}

TEST(Tcp, DualStackTakesBothAndUnmapsV4Peers) {
  EchoServer server("::");
  if (server.error_.errno_value == EAFNOSUPPORT || server.error_.errno_value == EADDRNOTAVAIL) {
    GTEST_FAIL() << "this machine has no IPv6: " << server.error_.message;
  }
  ASSERT_TRUE(server.listener_ != nullptr) << server.error_.message;
  server.start();
  TcpClient four(server.port_);
  EXPECT_TRUE(four.send("4"));
  EXPECT_EQ(four.receive(), "4");
  TcpClient six(server.port_, true);
  EXPECT_TRUE(six.send("6"));
  EXPECT_EQ(six.receive(), "6");
  server.stop();
  EXPECT_EQ(server.peers_.at(0), "127.0.0.1");
  EXPECT_EQ(server.peers_.at(1), "::1");
}

TEST(Tcp, TakenPortIsAnErrorThatNamesTheAddress) {
  EchoServer first;
  EchoServer second("127.0.0.1", first.port_);
  ASSERT_TRUE(second.listener_ == nullptr);
  EXPECT_EQ(second.error_.kind, ErrorKind::kUnreachable);
  EXPECT_NE(second.error_.message.find("127.0.0.1:" + std::to_string(first.port_)),
            std::string::npos)
      << second.error_.message;
}

TEST(Tcp, BadAddressesAreErrors) {
  EchoServer name("not-an-address");
  EXPECT_EQ(name.error_.kind, ErrorKind::kInvalid);
  EchoServer foreign("192.0.2.1");
  EXPECT_EQ(foreign.error_.kind, ErrorKind::kUnreachable);
}

TEST(Tcp, SeveralLoopsShareOnePort) {
  EchoServer one;
  EchoServer two("127.0.0.1", one.port_, false);
  ASSERT_TRUE(two.listener_ != nullptr) << two.error_.message;
  one.start();
  two.start();
  for (int i = 0; i < 200 && (one.accepted_ == 0 || two.accepted_ == 0); ++i) {
    TcpClient client(one.port_);
    ASSERT_TRUE(client.send("x"));
    ASSERT_EQ(client.receive(), "x");
  }
  EXPECT_GT(one.accepted_, 0);
  EXPECT_GT(two.accepted_, 0);
}

TEST(Tcp, ClosingTheListenerHandsOverWhoWaits) {
  EchoServer server;
  // The loop does not run yet, so these wait in the accept queue.
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port_));
    ASSERT_TRUE(clients.back()->connected());
    ASSERT_TRUE(clients.back()->send("still here"));
  }
  server.listener_->close();
  server.start();
  for (const std::unique_ptr<TcpClient>& client : clients) {
    EXPECT_EQ(client->receive_exactly(10), "still here");
  }
  EXPECT_FALSE(TcpClient(server.port_).connected());
}

// What it sent is not read: nobody could tell later whose it was.
TEST(Tcp, WhoResetBeforeItIsAcceptedIsNotHandedOver) {
  EchoServer server;
  {
    TcpClient client(server.port_);
    ASSERT_TRUE(client.send("x"));
    const linger reset{1, 0};
    ASSERT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  }
  TcpClient next(server.port_);
  server.start();
  ASSERT_TRUE(next.send("y"));
  EXPECT_EQ(next.receive(), "y");
  EXPECT_EQ(server.accepted_, 1);
  server.stop();
  EXPECT_EQ(server.peers_, std::vector<std::string>{"127.0.0.1"});
}

TEST(Tcp, AResetPeerIsBroken) {
  EchoServer server;
  server.start();
  {
    TcpClient client(server.port_);
    ASSERT_TRUE(client.send("x"));
    ASSERT_EQ(client.receive(), "x");
    const linger reset{1, 0};
    ASSERT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  }
  EXPECT_TRUE(eventually([&] { return server.gone_ == 1; }));
}

TEST(Tcp, FinishForgetsWhatComesAndKeepsWhatWasWritten) {
  EchoServer server;
  server.start();
  TcpClient client(server.port_);
  ASSERT_TRUE(client.send("x"));
  ASSERT_EQ(client.receive(), "x");
  server.loop_.post([&] {
    server.echoes_.at(0)->stream().write("last words");
    server.echoes_.at(0)->stream().finish(5000);
  });
  // Bytes that arrive after the FIN must not turn it into a reset before the client has read.
  EXPECT_EQ(client.receive_exactly(10), "last words");
  ASSERT_TRUE(client.send(std::string(100'000, 'z')));
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  client.shut_down();
  EXPECT_TRUE(eventually([&] { return server.gone_ == 1; }));
}

TEST(Tcp, FinishEndsThoughThePeerStays) {
  EchoServer server;
  server.start();
  TcpClient client(server.port_);
  ASSERT_TRUE(client.send("x"));
  ASSERT_EQ(client.receive(), "x");
  server.loop_.post([&] { server.echoes_.at(0)->stream().finish(20); });
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_TRUE(eventually([&] { return server.gone_ == 1; }));
}

}  // namespace
}  // namespace millrace::event
