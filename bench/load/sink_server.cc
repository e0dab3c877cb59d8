// SPDX-License-Identifier: Apache-2.0
#include "bench/load/sink_server.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "bench/load/aggregate.h"
#include "bench/load/put_record.h"

namespace millrace::bench {
namespace {

constexpr char kJsonType[] = "application/x-amz-json-1.1";
constexpr char kCborType[] = "application/x-amz-cbor-1.1";
constexpr size_t kFirstBufferSize = 16 << 10;

void watch_input(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // who is told goes on until nothing is left
  event.data.fd = fd;
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

std::string reply(const char* status, std::string_view body, const char* type = kJsonType) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
      "x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n\r\n{}",
      status, type, body.size(), body);
}

// With a sequence number of 56 digits; in CBOR: RFC 8949, section 3.
std::string stored(uint64_t number, bool cbor) {
  if (!cbor) {
    return reply(
        "200 OK",
        fmt::format(R"({{"ShardId":"shardId-000000000000","SequenceNumber":"49{:054}"}})", number));
  }
  return reply("200 OK",
               fmt::format("\xa2\x67ShardId\x74shardId-000000000000\x6eSequenceNumber\x78\x38"
                           "49{:054}",
                           number),
               kCborType);
}

}  // namespace

const char* verify_name(Verify verify) {
  return verify == Verify::kNone ? "none" : verify == Verify::kSeq ? "seq" : "full";
}

struct SinkServer::Client {
  explicit Client(Channel connection) : channel(std::move(connection)) {}

  Channel channel;
  uint64_t id = 0;
  std::string buffer = std::string(kFirstBufferSize, '\0');
  size_t filled = 0;          // bytes of buffer that arrived
  size_t head_bytes = 0;      // of the request being read; 0: its head is not complete
  HttpRequest request;        // its views point into buffer, valid until it grows
  uint64_t discarded = 0;     // bytes of its body taken from the socket unread
  bool discarding = false;    // the body is not wanted
  bool reply_is_due = false;  // late; no reading meanwhile
};

SinkServer::SinkServer(const SinkOptions& options, Ledger& ledger)
    : options_(options), ledger_(ledger) {}

SinkServer::~SinkServer() = default;

Result<> SinkServer::listen() {
  listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.bind.c_str(), &address.sin_addr) != 1) {
    return fail(ErrorKind::kInvalid, options_.bind + " is no IPv4 address");
  }
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (bind(listener_.get(), any, size) != 0 || ::listen(listener_.get(), 1024) != 0 ||
      getsockname(listener_.get(), any, &size) != 0) {
    return fail_errno(errno, "listen on " + options_.bind);
  }
  port_ = ntohs(address.sin_port);
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(epoll_.valid() && wake_.valid());
  watch_input(epoll_.get(), listener_.get());
  watch_input(epoll_.get(), wake_.get());
  return {};
}

void SinkServer::stop() {
  stopping_ = true;
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

void SinkServer::run() {
  std::array<epoll_event, 64> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), wait_ms());
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == listener_.get()) {
        accept_all();
      } else if (const auto found = clients_.find(fd); found != clients_.end()) {
        if (!read(*found->second)) close(*found->second);
      }
    }
    send_late_replies();
  }
}

void SinkServer::accept_all() {
  for (;;) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch_input(epoll_.get(), fd.get());
    const int number = fd.get();
    auto client = std::make_unique<Client>(Channel(std::move(fd), options_.tls));
    client->id = ++clients_made_;
    clients_[number] = std::move(client);
  }
}

void SinkServer::close(Client& client) { clients_.erase(client.channel.fd()); }

// Takes what has arrived; false closes the connection.
bool SinkServer::read(Client& client) {
  while (!client.reply_is_due) {
    ssize_t got = 0;
    if (client.discarding) {
      got = client.channel.discard(client.request.body_bytes - client.discarded);
    } else {
      got = client.channel.receive(client.buffer.data() + client.filled,
                                   client.buffer.size() - client.filled);
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (got == 0) return false;
    (client.discarding ? client.discarded : client.filled) += static_cast<uint64_t>(got);
    if (!take_requests(client)) return false;
  }
  return true;
}

bool SinkServer::take_requests(Client& client) {
  while (!client.reply_is_due && (client.filled > 0 || client.discarding)) {
    if (client.head_bytes == 0 && !take_head(client)) return false;
    if (client.head_bytes == 0) return true;
    const size_t whole = client.head_bytes + client.request.body_bytes;
    if (client.discarding ? client.discarded < client.request.body_bytes : client.filled < whole) {
      return true;
    }
    const std::string_view bytes(client.buffer.data(), client.filled);
    const bool answered = answer(
        client, client.discarding ? std::string_view()
                                  : bytes.substr(client.head_bytes, client.request.body_bytes));
    if (!answered || client.request.closes) return false;
    const size_t used = client.discarding ? client.filled : whole;
    std::copy(client.buffer.begin() + static_cast<ptrdiff_t>(used),
              client.buffer.begin() + static_cast<ptrdiff_t>(client.filled), client.buffer.begin());
    client.filled -= used;
    client.head_bytes = 0;
    client.discarding = false;
  }
  return true;
}

// Once the head is complete, the buffer has room for the whole request.
bool SinkServer::take_head(Client& client) {
  size_t head_bytes = 0;
  client.request = HttpRequest{};
  switch (parse_head({client.buffer.data(), client.filled}, client.request, head_bytes)) {
    case HeadStatus::kMalformed:
      ledger_.other();
      (void)send_all(client, reply("400 Bad Request", R"({"__type":"SerializationException"})"));
      return false;
    case HeadStatus::kIncomplete:
      if (client.filled == client.buffer.size()) client.buffer.resize(client.buffer.size() * 2);
      return true;
    case HeadStatus::kComplete:
      break;
  }
  client.head_bytes = head_bytes;
  const uint64_t arrived = client.filled - head_bytes;
  if (options_.verify == Verify::kNone && client.channel.is_plain() &&
      arrived < client.request.body_bytes) {
    client.discarding = true;
    client.discarded = arrived;
  } else if (client.buffer.size() < head_bytes + client.request.body_bytes) {
    client.buffer.resize(head_bytes + client.request.body_bytes);
    (void)parse_head({client.buffer.data(), client.filled}, client.request, head_bytes);
  }
  return !client.request.expects_continue || send_all(client, "HTTP/1.1 100 Continue\r\n\r\n");
}

bool SinkServer::answer(Client& client, std::string_view body) {
  const HttpRequest& request = client.request;
  if (request.method == "GET" && request.path == "/_stats") {
    return send_all(client, reply("200 OK", ledger_.json(verify_name(options_.verify))));
  }
  if (request.method != "POST" || request.target != "Kinesis_20131202.PutRecord") {
    ledger_.other();
    return send_all(client, reply("400 Bad Request", R"({"__type":"UnknownOperationException"})"));
  }
  seqs_.clear();
  uint64_t data_bytes = 0;
  const bool cbor = request.content_type == kCborType;
  const char* problem = options_.verify == Verify::kNone ? nullptr : check(body, cbor, data_bytes);
  const uint64_t number = ledger_.put(request.body_bytes, data_bytes, seqs_, problem);
  std::string text = stored(number, cbor);
  if (options_.delay.count() == 0) return send_all(client, text);
  client.reply_is_due = true;
  late_.push_back({Clock::now() + options_.delay, client.channel.fd(), client.id, std::move(text)});
  return true;
}

const char* SinkServer::check(std::string_view body, bool cbor, uint64_t& data_bytes) {
  PutRecordBody put;
  const bool parsed = cbor ? parse_put_record_cbor(body, put) : parse_put_record(body, put);
  if (!parsed) return "no PutRecord body";
  if (!cbor && !decode_base64(put.data, decoded_)) return "Data is no base64";
  const std::string_view data = cbor ? put.data : std::string_view(decoded_);
  data_bytes = data.size();
  if (put.has_hash_key) return "an ExplicitHashKey";
  return read_aggregate(data, put.partition_key, options_.verify == Verify::kFull, seqs_);
}

bool SinkServer::send_all(Client& client, std::string_view text) {
  // A reply is far smaller than a socket buffer; a client that does not read is let go.
  return client.channel.send(text);
}

int SinkServer::wait_ms() const {
  if (late_.empty()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(late_.front().due - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

void SinkServer::send_late_replies() {
  while (!late_.empty() && late_.front().due <= Clock::now()) {
    const LateReply late = std::move(late_.front());
    late_.pop_front();
    const auto found = clients_.find(late.fd);
    if (found == clients_.end() || found->second->id != late.client_id) continue;
    Client& client = *found->second;
    client.reply_is_due = false;
    if (!send_all(client, late.text) || !take_requests(client) || !read(client)) close(client);
  }
}

}  // namespace millrace::bench
