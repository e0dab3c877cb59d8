// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>

#include "base/digest.h"
#include "base/encoding.h"
#include "http/library.h"
#include "tests/support/scripted_http_server.h"

namespace millrace::http {
namespace {

using testing::Answer;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptedHttpServer;
using testing::SeenRequest;
using Kind = TransportError::Kind;

const Library library;

// The tests decide about proxies themselves; the environment of who runs them must not.
const bool environment_cleared = [] {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                           "no_proxy", "NO_PROXY"}) {
    ::unsetenv(name);
  }
  return true;
}();

Request post(const std::string& url, std::string_view body) {
  Request request;
  request.url = url;
  request.body = body;
  request.headers = {"Content-Type: application/x-amz-json-1.1"};
  return request;
}

Request get(const std::string& url) {
  Request request;
  request.method = Method::kGet;
  request.url = url;
  return request;
}

TEST(Client, PostsTheBodyAndTakesTheReply) {
  ScriptedHttpServer server([](const SeenRequest&) {
    return Answer::reply(200, "fine",
                         "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nX-Amzn-RequestId:  id-1 \r\n");
  });
  Client client({});
  const auto reply = client.perform(post(server.url(), "hello"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "fine");
  EXPECT_EQ(reply->header("x-amzn-requestid"), "id-1");
  EXPECT_EQ(reply->header("none"), "");
  EXPECT_EQ(reply->date_s, 1767225600);
  EXPECT_FALSE(reply->resent);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen[0].head, ::testing::StartsWith("POST / HTTP/1.1\r\n"));
  EXPECT_EQ(seen[0].header("host"), server.host());
  EXPECT_EQ(seen[0].header("content-type"), "application/x-amz-json-1.1");
  EXPECT_THAT(seen[0].header("user-agent"), HasSubstr("millrace/"));
  EXPECT_EQ(seen[0].body, "hello");
}

TEST(Client, GetsAndSaysThatAUnixSocketIsAbsent) {
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::reply(204, ""); });
  Client client({});
  const auto reply = client.perform(get(server.url() + "status"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 204);
  EXPECT_THAT(server.seen().at(0).head, ::testing::StartsWith("GET /status HTTP/1.1\r\n"));

  Client absent({.unix_socket = "/nonexistent/control.sock"});
  const auto none = absent.perform(get("http://localhost/status"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, Kind::kNotSent);
}

TEST(Client, KeepsOneConnectionAndExpectsNoContinue) {
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::reply(200, "ok"); });
  Client client({});
  const std::string large(3 << 20, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.perform(post(server.url(), i == 1 ? "small" : large));
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_FALSE(reply->resent);
  }
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3u);
  for (const SeenRequest& request : seen) {
    EXPECT_EQ(request.connection, 1);
    EXPECT_EQ(request.header("expect"), "");
    EXPECT_EQ(request.header("accept"), "");
    EXPECT_EQ(request.header("transfer-encoding"), "");
  }
  EXPECT_EQ(seen[2].body, large);
}

TEST(Client, FollowsNoRedirect) {
  ScriptedHttpServer server(
      [](const SeenRequest&) { return Answer::reply(307, "", "Location: /elsewhere\r\n"); });
  Client client({});
  const auto reply = client.perform(post(server.url(), "x"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 307);
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(Client, SkipsAnInterimReply) {
  ScriptedHttpServer server([](const SeenRequest&) {
    Answer answer = Answer::reply(200, "ok", "A: 2\r\n");
    answer.bytes = "HTTP/1.1 103 Early\r\nA: 1\r\n\r\n" + answer.bytes;
    return answer;
  });
  Client client({});
  const auto reply = client.perform(post(server.url(), "x"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->header("a"), "2");
}

TEST(Client, RefusedConnectionAndUnknownNameSentNothing) {
  int port = 0;
  {
    ScriptedHttpServer server([](const SeenRequest&) { return Answer::drop(); });
    port = server.port();
  }
  Client client({});
  const auto refused = client.perform(post("http://127.0.0.1:" + std::to_string(port), "x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Kind::kNotSent) << refused.error().message;
  const auto unknown = client.perform(post("http://no-such-host.invalid/", "x"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, Kind::kNotSent) << unknown.error().message;
}

TEST(Client, DroppedReplyOnANewConnectionIsAmbiguousAndNotResent) {
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::drop(); });
  Client client({});
  const auto reply = client.perform(post(server.url(), "x"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kAmbiguous) << reply.error().message;
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(Client, ReplyCutShortIsAmbiguous) {
  ScriptedHttpServer server([](const SeenRequest&) {
    Answer answer = Answer::drop();
    answer.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
    return answer;
  });
  Client client({});
  const auto reply = client.perform(post(server.url(), "x"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kAmbiguous);
}

TEST(Client, ConnectionClosedWhileIdleIsReplaced) {
  ScriptedHttpServer server([](const SeenRequest& request) {
    Answer answer = Answer::reply(200, "ok");
    answer.close = request.connection == 1;  // without saying so
    return answer;
  });
  Client client({});
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.perform(post(server.url(), "x"));
    ASSERT_TRUE(reply) << reply.error().message;
  }
  EXPECT_EQ(server.seen().size(), 3u);
  EXPECT_EQ(server.seen().at(2).connection, 2);
}

// The server takes the request on the kept connection and dies: one resend, on a new connection.
TEST(Client, KeptConnectionThatDiesCostsOneResend) {
  ScriptedHttpServer server([first = true](const SeenRequest& request) mutable {
    if (request.connection > 1 || std::exchange(first, false)) return Answer::reply(200, "ok");
    return Answer::drop();
  });
  Client client({});
  ASSERT_TRUE(client.perform(post(server.url(), "one")));
  const auto reply = client.perform(post(server.url(), "two"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->resent);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[1].connection, 1);
  EXPECT_EQ(seen[2].connection, 2);
  EXPECT_EQ(seen[1].body, "two");
  EXPECT_EQ(seen[2].body, "two");
}

TEST(Client, NeverResendsTwice) {
  ScriptedHttpServer server([first = true](const SeenRequest&) mutable {
    return std::exchange(first, false) ? Answer::reply(200, "ok") : Answer::drop();
  });
  Client client({});
  ASSERT_TRUE(client.perform(post(server.url(), "one")));
  const auto reply = client.perform(post(server.url(), "two"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kAmbiguous);
  EXPECT_TRUE(reply.error().resent);
  EXPECT_EQ(server.seen().size(), 3u);
}

// A large body is still being written when the kept connection dies. This is what libcurl does not
// send again by itself.
TEST(Client, KeptConnectionThatDiesInALargeBodyCostsOneResend) {
  std::atomic<int> heads{0};
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::reply(200, "ok"); },
                            [&](const SeenRequest&) { return ++heads == 2; });
  Client client({});
  ASSERT_TRUE(client.perform(post(server.url(), "one")));
  const std::string large(20 << 20, 'x');
  const auto reply = client.perform(post(server.url(), large));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->resent);
  EXPECT_EQ(heads, 3);
  ASSERT_EQ(server.seen().size(), 2u);
  EXPECT_TRUE(server.seen().at(1).body == large);
}

TEST(Client, SilenceAfterTheRequestEndsAtTheFirstByteTimeout) {
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::silence(); });
  Client client({.first_byte_timeout_ms = 500, .request_timeout_ms = 3'600'000});
  const std::string large(1 << 20, 'x');
  for (const std::string_view body : {std::string_view("x"), std::string_view(large)}) {
    const auto reply = client.perform(post(server.url(), body));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::kAmbiguous);
    EXPECT_EQ(reply.error().message, "no reply within 500 ms");
  }
  EXPECT_EQ(server.seen().size(), 2u) << "a timeout is not resent";
}

TEST(Client, EndlessReplyEndsAtTheRequestTimeout) {
  ScriptedHttpServer server([](const SeenRequest&) {
    Answer answer = Answer::silence();
    answer.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{";
    return answer;
  });
  Client client({.first_byte_timeout_ms = 3'600'000, .request_timeout_ms = 50});
  const auto reply = client.perform(post(server.url(), "x"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kAmbiguous);
  EXPECT_EQ(reply.error().message, "not finished within 50 ms");
}

TEST(Client, AcceptedButUnansweredHandshakeSentNothing) {
  // The listener's backlog takes the connection; nobody speaks TLS.
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::silence(); });
  Client client({.connect_timeout_ms = 50});
  const auto reply = client.perform(post("https://" + server.host() + "/", "x"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kNotSent) << reply.error().message;
  EXPECT_EQ(server.seen().size(), 0u);
}

TEST(Client, InterruptEndsARunningExchangeAndEveryLaterOne) {
  std::mutex mutex;
  std::condition_variable arrived;
  bool here = false;
  ScriptedHttpServer server([&](const SeenRequest&) {
    const std::lock_guard lock(mutex);
    here = true;
    arrived.notify_one();
    return Answer::silence();
  });
  Client client({.first_byte_timeout_ms = 3'600'000, .request_timeout_ms = 3'600'000});
  std::thread stopper([&] {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return here; });
    client.interrupt();
  });
  const auto running = client.perform(post(server.url(), "x"));
  stopper.join();
  ASSERT_FALSE(running);
  EXPECT_EQ(running.error().kind, Kind::kAmbiguous);
  EXPECT_EQ(running.error().message, "given up: stopping");
  const auto later = client.perform(post(server.url(), "x"));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().kind, Kind::kNotSent);
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(Client, BoundsTheReply) {
  ScriptedHttpServer server([](const SeenRequest& request) {
    if (request.body == "largest") return Answer::reply(200, std::string(kReplyBytesMax, 'x'));
    if (request.body == "body") return Answer::reply(200, std::string(kReplyBytesMax + 1, 'x'));
    return Answer::reply(
        200, "",
        "A: " + std::string(60 << 10, 'x') + "\r\nB: " + std::string(60 << 10, 'x') + "\r\n");
  });
  Client client({});
  const auto largest = client.perform(post(server.url(), "largest"));
  ASSERT_TRUE(largest) << largest.error().message;
  EXPECT_EQ(largest->body.size(), kReplyBytesMax);
  for (const char* what : {"body", "headers"}) {
    const auto reply = client.perform(post(server.url(), what));
    ASSERT_FALSE(reply) << what;
    EXPECT_EQ(reply.error().kind, Kind::kAmbiguous);
    EXPECT_THAT(reply.error().message, HasSubstr("larger than"));
  }
}

TEST(Client, UsesTheProxyOfTheOptionWhateverNoProxySays) {
  ScriptedHttpServer proxy([](const SeenRequest&) { return Answer::reply(200, "by proxy"); });
  ::setenv("no_proxy", "*", 1);
  Client client({.proxy = "http://user:s3cret@" + proxy.host()});
  const auto reply = client.perform(post("http://kinesis.example.invalid/", "x"));
  ::unsetenv("no_proxy");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->body, "by proxy");
  const auto seen = proxy.seen().at(0);
  EXPECT_THAT(seen.head, ::testing::StartsWith("POST http://kinesis.example.invalid/ HTTP/1.1"));
  EXPECT_EQ(seen.header("host"), "kinesis.example.invalid");
  EXPECT_EQ(seen.header("proxy-authorization"), "Basic " + base64_encode("user:s3cret"));
}

TEST(Client, UsesTheProxyOfTheEnvironmentWithoutTheOption) {
  ScriptedHttpServer proxy([](const SeenRequest&) { return Answer::reply(200, "by proxy"); });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  Client client({});
  const auto reply = client.perform(post("http://kinesis.example.invalid/", "x"));
  ::unsetenv("http_proxy");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->body, "by proxy");
}

TEST(Client, RefusedTunnelSentNothingAndHidesThePassword) {
  ScriptedHttpServer proxy([](const SeenRequest&) { return Answer::reply(407, "who are you"); });
  Client client({.proxy = "http://user:s3cret@" + proxy.host()});
  Request request = post("https://kinesis.example.invalid/", "x");
  request.headers.push_back("Authorization: for the server alone");
  const auto reply = client.perform(request);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kNotSent);
  EXPECT_EQ(reply.error().proxy_status, 407);
  EXPECT_THAT(reply.error().message, HasSubstr("http://" + proxy.host()));
  EXPECT_THAT(reply.error().message, Not(HasSubstr("s3cret")));
  const auto seen = proxy.seen().at(0);
  EXPECT_THAT(seen.head, ::testing::StartsWith("CONNECT kinesis.example.invalid:443 "));
  EXPECT_EQ(seen.header("authorization"), "");

  Client odd({.proxy = "gopher://user:s3cret@" + proxy.host()});
  const auto none = odd.perform(post("http://kinesis.example.invalid/", "x"));
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace millrace::http
