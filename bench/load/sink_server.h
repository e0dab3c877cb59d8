// SPDX-License-Identifier: Apache-2.0
#pragma once

// SinkServer: an HTTP/1.1 endpoint that takes PutRecord requests, in JSON or CBOR, as cheaply as it
// can and, if asked to, looks into them. No signature check. One object is one thread's
// part: a listening socket of its own (SO_REUSEPORT), one epoll, its connections. The ledger must
// outlive it. Invariant: a connection's next request is not looked at before its reply has been
// sent.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bench/load/channel.h"
#include "bench/load/http_request.h"
#include "bench/load/ledger.h"

namespace millrace::bench {

/// kNone discards bodies unread; kSeq decodes, reads the aggregate and marks each event; kFull also
/// computes the MD5.
enum class Verify { kNone, kSeq, kFull };
const char* verify_name(Verify verify);

struct SinkOptions {
  std::string bind = "127.0.0.1";  // an IPv4 address
  uint16_t port = 0;               // 0: any
  Verify verify = Verify::kFull;
  std::chrono::milliseconds delay{0};  // of each PutRecord's reply
  ssl_ctx_st* tls = nullptr;           // null: plain; must outlive the server
};

class SinkServer {
 public:
  SinkServer(const SinkOptions& options, Ledger& ledger);
  ~SinkServer();

  Result<> listen();
  uint16_t port() const { return port_; }
  /// Serves until stop(), which any thread may call.
  void run();
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Client;
  struct LateReply {
    Clock::time_point due;
    int fd;
    uint64_t client_id;  // the descriptor may belong to another by then
    std::string text;
  };

  void accept_all();
  bool read(Client& client);
  bool take_head(Client& client);
  bool take_requests(Client& client);
  bool answer(Client& client, std::string_view body);
  const char* check(std::string_view body, bool cbor, uint64_t& data_bytes);
  bool send_all(Client& client, std::string_view text);
  void close(Client& client);
  void send_late_replies();
  int wait_ms() const;

  SinkOptions options_;
  Ledger& ledger_;
  uint16_t port_ = 0;
  uint64_t clients_made_ = 0;
  std::atomic<bool> stopping_{false};
  UniqueFd listener_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::unordered_map<int, std::unique_ptr<Client>> clients_;  // by descriptor
  std::deque<LateReply> late_;                                // the delay is one for all: in order
  std::string decoded_;                                       // used again for every request
  std::vector<uint64_t> seqs_;
};

}  // namespace millrace::bench
