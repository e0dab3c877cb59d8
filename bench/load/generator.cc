// SPDX-License-Identifier: Apache-2.0
#include "bench/load/generator.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <string_view>

#include "base/check.h"

namespace millrace::bench {
namespace {

constexpr char kAckHead[] = {'\x81', '\xa3', 'a', 'c', 'k', '\xb8'};  // {"ack": str of 24}
constexpr size_t kAckSize = sizeof kAckHead + kChunkIdSize;
constexpr auto kPoliteClose = std::chrono::seconds(10);

Result<UniqueFd> dial(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return fail(ErrorKind::kUnreachable, host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  int last_errno = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    UniqueFd fd(socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (fd.valid() && ::connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) {
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    last_errno = errno;
  }
  return fail_errno(last_errno, "connect to " + host + " port " + port);
}

uint64_t elapsed_ns(std::chrono::steady_clock::time_point from,
                    std::chrono::steady_clock::time_point to) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
  return ns < 0 ? 0 : static_cast<uint64_t>(ns);
}

}  // namespace

struct Generator::Connection {
  struct InFlight {
    uint64_t message_number;
    Clock::time_point sent;
    Clock::time_point due;
  };

  Connection(UniqueFd socket, const MessageShape& of)
      : fd(std::move(socket)), shape(of), message(of) {}

  UniqueFd fd;
  MessageShape shape;
  Message message;
  std::string_view unsent;  // rest of the message being written
  uint64_t unsent_number = 0;
  bool watches_out = false;
  std::deque<InFlight> in_flight;  // oldest first; with acks only
  std::array<char, kAckSize> ack;  // what arrived of the next ack
  size_t ack_filled = 0;
};

Generator::Generator(const Plan& plan)
    : plan_(plan),
      run_(uint64_t{std::random_device{}()} << 32 | std::random_device{}()),
      messages_total_((plan.events + plan.shape.events - 1) / plan.shape.events) {
  if (plan_.gzip) prepare_gzip();
}

Generator::~Generator() = default;

void Generator::prepare_gzip() {
  gzipped_.reserve(messages_total_);
  Message message(plan_.shape);
  for (uint64_t number = 0; number < messages_total_; ++number) {
    if (events_of(number) != message.events()) {
      MessageShape shape = plan_.shape;
      shape.events = static_cast<uint32_t>(events_of(number));
      message = Message(shape);
    }
    message.number(plan_.first_seq + number * plan_.shape.events, chunk_text(run_, number));
    gzipped_.push_back(message.gzipped());
  }
}

uint64_t Generator::events_of(uint64_t message_number) const {
  return std::min<uint64_t>(plan_.shape.events, plan_.events - message_number * plan_.shape.events);
}

Generator::Clock::time_point Generator::due_at(uint64_t message_number) const {
  if (plan_.events_per_s == 0) return started_;
  const double seconds = static_cast<double>(message_number * plan_.shape.events) /
                         static_cast<double>(plan_.events_per_s);
  return started_ + std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

bool Generator::finished() const {
  return figures_.messages == messages_total_ &&
         (!plan_.shape.acks || figures_.acked == messages_total_);
}

Result<> Generator::connect() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  CHECK(epoll_.valid());
  for (uint64_t i = 0; i < plan_.connections; ++i) {
    auto fd = dial(plan_.host, plan_.port);
    if (!fd) return tl::unexpected(fd.error());
    MessageShape shape = plan_.shape;
    shape.seed += i;  // each connection has its own 500 events
    if (plan_.tags > 1) shape.tag += "." + std::to_string(i % plan_.tags);
    connections_.push_back(std::make_unique<Connection>(std::move(*fd), shape));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connections_.back().get();
    CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_.back()->fd.get(), &event) == 0);
    idle_.push_back(connections_.back().get());
  }
  return {};
}

Result<> Generator::run() {
  started_ = progressed_ = Clock::now();
  Result<> result;
  while (result && !finished()) {
    result = start_messages();
    if (result && !finished()) result = wait();
  }
  if (result) close_politely();
  figures_.seconds = static_cast<double>(elapsed_ns(started_, progressed_)) / 1e9;
  return result;
}

Result<> Generator::start_messages() {
  while (!idle_.empty() && next_message_ < messages_total_) {
    if (plan_.events_per_s != 0 && due_at(next_message_) > Clock::now()) break;
    Connection& connection = *idle_.front();
    idle_.pop_front();
    load(connection, next_message_++);
    if (Result<> written = write(connection); !written) return written;
  }
  return {};
}

void Generator::load(Connection& connection, uint64_t message_number) {
  connection.unsent_number = message_number;
  if (plan_.gzip) {
    connection.unsent = gzipped_[message_number];
  } else {
    if (events_of(message_number) != connection.message.events()) {
      MessageShape shape = connection.shape;
      shape.events = static_cast<uint32_t>(events_of(message_number));
      connection.message = Message(shape);
    }
    connection.message.number(plan_.first_seq + message_number * plan_.shape.events,
                              chunk_text(run_, message_number));
    connection.unsent = connection.message.bytes();
  }
  if (plan_.shape.acks) {
    connection.in_flight.push_back({message_number, Clock::now(), due_at(message_number)});
  }
}

Result<> Generator::write(Connection& connection) {
  while (!connection.unsent.empty()) {
    const ssize_t sent = send(connection.fd.get(), connection.unsent.data(),
                              connection.unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      watch(connection, EPOLLIN | EPOLLOUT);
      return {};
    }
    if (sent < 0) return fail_errno(errno, "send");
    connection.unsent.remove_prefix(static_cast<size_t>(sent));
    figures_.bytes += static_cast<uint64_t>(sent);
  }
  progressed_ = Clock::now();
  watch(connection, EPOLLIN);
  ++figures_.messages;
  figures_.events += events_of(connection.unsent_number);
  // With a full window take_ack() makes it idle again.
  if (!plan_.shape.acks || connection.in_flight.size() < plan_.window) idle_.push_back(&connection);
  return {};
}

void Generator::watch(Connection& connection, uint32_t events) {
  const bool out = (events & EPOLLOUT) != 0;
  if (out == connection.watches_out) return;
  connection.watches_out = out;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event) == 0);
}

Result<> Generator::read(Connection& connection) {
  for (;;) {
    const ssize_t got = recv(connection.fd.get(), connection.ack.data() + connection.ack_filled,
                             kAckSize - connection.ack_filled, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    if (got < 0) return fail_errno(errno, "receive");
    if (got == 0) return fail(ErrorKind::kUnreachable, "the server closed a connection");
    connection.ack_filled += static_cast<size_t>(got);
    if (connection.ack_filled < kAckSize) return {};  // what is left wakes the next wait
    if (Result<> taken = take_ack(connection); !taken) return taken;
    if (connection.in_flight.empty()) return {};
  }
}

Result<> Generator::take_ack(Connection& connection) {
  connection.ack_filled = 0;
  // An ack of the message still being written cannot be honest.
  const bool expected = connection.in_flight.size() > (connection.unsent.empty() ? 0U : 1U);
  const char* id = connection.ack.data() + sizeof kAckHead;
  if (!expected || !std::equal(std::begin(kAckHead), std::end(kAckHead), connection.ack.data())) {
    ++figures_.wrong;
    return fail(ErrorKind::kInvalid, "bytes that are no expected ack");
  }
  const Connection::InFlight oldest = connection.in_flight.front();
  const ChunkText chunk = chunk_text(run_, oldest.message_number);
  if (!std::equal(chunk.begin(), chunk.end(), id)) {
    ++figures_.wrong;
    return fail(ErrorKind::kInvalid, "the ack of another message");
  }
  progressed_ = Clock::now();
  figures_.ack.record(elapsed_ns(oldest.sent, progressed_));
  figures_.due.record(elapsed_ns(oldest.due, progressed_));
  ++figures_.acked;
  const bool was_full = connection.in_flight.size() >= plan_.window;
  connection.in_flight.pop_front();
  if (was_full && connection.unsent.empty()) idle_.push_back(&connection);
  return {};
}

Result<> Generator::wait() {
  const auto now = Clock::now();
  auto until = progressed_ + std::chrono::seconds(plan_.timeout_s);
  if (now >= until) {
    return fail(ErrorKind::kUnreachable,
                "no progress for " + std::to_string(plan_.timeout_s) + " seconds");
  }
  if (!idle_.empty() && next_message_ < messages_total_) {
    until = std::min(until, due_at(next_message_));
  }
  const uint64_t ns = elapsed_ns(now, until);
  timespec timeout{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  std::array<epoll_event, 64> events;
  const int count = epoll_pwait2(epoll_.get(), events.data(), events.size(), &timeout, nullptr);
  if (count < 0 && errno != EINTR) return fail_errno(errno, "epoll_pwait2");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    Connection& connection = *static_cast<Connection*>(event.data.ptr);
    Result<> done;
    if ((event.events & EPOLLOUT) != 0) done = write(connection);
    if (done && (event.events & ~uint32_t{EPOLLOUT}) != 0) done = read(connection);
    if (!done) return done;
  }
  return {};
}

// Without acks the server may still be reading: its end of stream tells that it has all bytes. A
// server that does not answer the end of ours in time leaves the moment the last byte was sent.
void Generator::close_politely() {
  bool all_ended = true;
  for (const auto& connection : connections_) shutdown(connection->fd.get(), SHUT_WR);
  const auto deadline = Clock::now() + kPoliteClose;
  for (const auto& connection : connections_) {
    const auto left = std::max(deadline - Clock::now(), Clock::duration(1'000'000));
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(left).count();
    const timeval patience{us / 1'000'000, us % 1'000'000};
    setsockopt(connection->fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char byte = 0;
    if (recv(connection->fd.get(), &byte, 1, 0) != 0) all_ended = false;
  }
  if (all_ended && !plan_.shape.acks) progressed_ = Clock::now();
}

}  // namespace millrace::bench
