// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <curl/curl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http/curl_ptr.h"
#include "http/proxy_url.h"
#include "http/transfer.h"

namespace millrace::http {
namespace {

constexpr auto kPollMax = std::chrono::milliseconds(1'000);
// Below the 60 s after which load balancers and proxies commonly drop an idle connection.
constexpr long kIdleSecondsMax = 50;
// A connection is kept, so a name is seldom asked for; but one that fails may have moved.
constexpr long kNameSecondsMax = 5;

template <class Value>
void set(void* easy, CURLoption option, Value value) {
  CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

std::chrono::milliseconds ms(uint64_t count) {
  return std::chrono::milliseconds(static_cast<int64_t>(count));
}

// When the peer last took a byte of the request, once all of it has been handed to the kernel.
class SentWatch {
 public:
  void note(int64_t unsent, std::chrono::steady_clock::time_point now) {
    if (unsent == unsent_) return;
    unsent_ = unsent;
    changed_at_ = now;
  }
  bool silent_for(std::chrono::milliseconds limit,
                  std::chrono::steady_clock::time_point now) const {
    return unsent_ >= 0 && now - changed_at_ >= limit;
  }
  std::chrono::steady_clock::time_point changed_at() const { return changed_at_; }
  bool watching() const { return unsent_ >= 0; }

 private:
  int64_t unsent_ = -1;  // -1: the kernel does not have all of it yet
  std::chrono::steady_clock::time_point changed_at_{};
};

}  // namespace

void EasyDeleter::operator()(void* easy) const noexcept { curl_easy_cleanup(easy); }

void MultiDeleter::operator()(void* multi) const noexcept {
  curl_multi_cleanup(static_cast<CURLM*>(multi));
}

Client::Client(ClientOptions options)
    : options_(std::move(options)), multi_(curl_multi_init()), easy_(curl_easy_init()) {
  static_assert(sizeof error_text_ >= CURL_ERROR_SIZE);
  CHECK(multi_ != nullptr && easy_ != nullptr);
  CHECK(curl_multi_setopt(static_cast<CURLM*>(multi_.get()), CURLMOPT_MAXCONNECTS, 1L) == CURLM_OK);
  set_constant_options();
}

void Client::set_constant_options() {
  void* easy = easy_.get();
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_TCP_NODELAY, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_MAXAGE_CONN, kIdleSecondsMax);
  set(easy, CURLOPT_DNS_CACHE_TIMEOUT, kNameSecondsMax);
  // Without it an aborted name look-up blocks until the resolver gives up (CURLOPT_QUICK_EXIT(3)).
  set(easy, CURLOPT_QUICK_EXIT, 1L);
  set(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // the tunnel's reply is not the server's
  set(easy, CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(std::max<uint64_t>(1, options_.connect_timeout_ms)));
  if (!options_.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // this file alone
  }
  if (!options_.unix_socket.empty()) {
    set(easy, CURLOPT_UNIX_SOCKET_PATH, options_.unix_socket.c_str());
    set(easy, CURLOPT_PROXY, "");
  } else if (!options_.proxy.empty()) {
    set(easy, CURLOPT_PROXY, options_.proxy.c_str());
    set(easy, CURLOPT_NOPROXY, "");  // the option wins over the environment's no_proxy
  }
}

void Client::set_request(const Request& request, void* headers) {
  void* easy = easy_.get();
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_HTTPHEADER, static_cast<curl_slist*>(headers));
  if (request.method == Method::kPost) {
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    // Not copied: libcurl reads from here while it sends.
    set(easy, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    set(easy, CURLOPT_POST, 1L);
  } else {
    set(easy, CURLOPT_HTTPGET, 1L);
  }
}

tl::expected<Reply, TransportError> Client::perform(const Request& request) {
  HeaderList headers;
  headers.add("Expect:");  // or libcurl waits a second for 100-continue before a large body
  headers.add("Accept:");
  for (const std::string& line : request.headers) {
    headers.add(line);
  }
  set_request(request, headers.get());
  const uint64_t body_bytes = request.method == Method::kPost ? request.body.size() : 0;
  const auto deadline = Clock::now() + ms(options_.request_timeout_ms);

  int starts = 0;
  for (bool fresh = false;; fresh = true) {
    Transfer transfer;
    transfer.attach(easy_.get());
    set(easy_.get(), CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    const End end = run(transfer, body_bytes, deadline);
    starts += transfer.starts();
    if (end.stop == Stop::kNone && end.code == CURLE_OK) {
      Reply reply = transfer.take_reply(easy_.get());
      reply.resent = starts > 1;
      return reply;
    }
    const bool died = end.stop == Stop::kNone && starts == 1 && !transfer.reply_began() &&
                      (end.code == CURLE_SEND_ERROR || end.code == CURLE_RECV_ERROR ||
                       end.code == CURLE_GOT_NOTHING);
    if (died && !fresh && connection_was_kept()) continue;
    return tl::unexpected<TransportError>(error_of(end, transfer, starts));
  }
}

void Client::interrupt() noexcept {
  interrupted_.store(true, std::memory_order_release);
  curl_multi_wakeup(static_cast<CURLM*>(multi_.get()));
}

Client::End Client::run(const Transfer& transfer, uint64_t body_bytes, Clock::time_point deadline) {
  CURLM* multi = static_cast<CURLM*>(multi_.get());
  error_text_[0] = '\0';
  CHECK(curl_multi_add_handle(multi, easy_.get()) == CURLM_OK);
  const End end = drive(transfer, body_bytes, deadline);
  // Closes the connection if the exchange is unfinished, keeps it otherwise.
  CHECK(curl_multi_remove_handle(multi, easy_.get()) == CURLM_OK);
  return end;
}

Client::End Client::drive(const Transfer& transfer, uint64_t body_bytes,
                          Clock::time_point deadline) {
  CURLM* multi = static_cast<CURLM*>(multi_.get());
  SentWatch sent;
  int starts = 0;
  for (;;) {
    if (interrupted_.load(std::memory_order_acquire)) return {.stop = Stop::kInterrupted};
    int running = 0;
    CHECK(curl_multi_perform(multi, &running) == CURLM_OK);
    if (running == 0) {
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi, &left);
      CHECK(message != nullptr && message->msg == CURLMSG_DONE);
      return {.code = static_cast<int>(message->data.result)};
    }
    const auto now = Clock::now();
    if (now >= deadline) return {.stop = Stop::kTotal};
    auto wake_at = std::min(deadline, now + kPollMax);
    if (starts != std::exchange(starts, transfer.starts())) sent = {};
    if (starts > 0 && !transfer.reply_began()) {
      sent.note(unsent_bytes(body_bytes), now);
      const auto limit = ms(options_.first_byte_timeout_ms);
      if (sent.silent_for(limit, now)) return {.stop = Stop::kFirstByte};
      if (sent.watching()) wake_at = std::min(wake_at, sent.changed_at() + limit);
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake_at - now);
    CHECK(curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr) == CURLM_OK);
  }
}

// Bytes that the kernel holds and the peer has not taken, or -1 while libcurl has some to hand
// over. Counting from the last hand-over alone would call a slow uplink with a full send buffer
// silent.
int64_t Client::unsent_bytes(uint64_t body_bytes) const {
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_SIZE_UPLOAD_T, &uploaded);
  if (static_cast<uint64_t>(uploaded) < body_bytes) return -1;
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_.get(), CURLINFO_ACTIVESOCKET, &socket);
  int queued = 0;
  if (socket == CURL_SOCKET_BAD || ::ioctl(socket, SIOCOUTQ, &queued) != 0) return 0;
  return queued;
}

bool Client::connection_was_kept() const {
  long connects = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &connects);
  return connects == 0;
}

TransportError Client::error_of(const End& end, const Transfer& transfer, int starts) const {
  TransportError error;
  error.kind = starts == 0 ? TransportError::Kind::kNotSent : TransportError::Kind::kAmbiguous;
  error.message = message_of(end, transfer);
  error.resent = starts > 1;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &status);
  if (starts == 0 && status >= 300) {
    error.proxy_status = static_cast<int>(status);
    error.message = "the proxy refused the tunnel with status " + std::to_string(status);
  }
  error.untrusted = end.stop == Stop::kNone && end.code == CURLE_PEER_FAILED_VERIFICATION;
  if (!options_.proxy.empty()) error.message += " (proxy " + without_user(options_.proxy) + ")";
  return error;
}

std::string Client::message_of(const End& end, const Transfer& transfer) const {
  switch (end.stop) {
    case Stop::kInterrupted:
      return "given up: stopping";
    case Stop::kFirstByte:
      return "no reply within " + std::to_string(options_.first_byte_timeout_ms) + " ms";
    case Stop::kTotal:
      return "not finished within " + std::to_string(options_.request_timeout_ms) + " ms";
    case Stop::kNone:
      break;
  }
  if (transfer.too_large()) return "the reply is larger than 1 MiB";
  std::string text(error_text_.data());
  // libcurl prints the URL of a proxy that it cannot read, password and all.
  if (text.empty() || text.find('@') != std::string::npos) {
    return curl_easy_strerror(static_cast<CURLcode>(end.code));
  }
  return text;
}

}  // namespace millrace::http
