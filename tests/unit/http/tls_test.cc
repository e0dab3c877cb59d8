// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "http/client.h"

extern char** environ;

namespace millrace::http {
namespace {

using Kind = TransportError::Kind;

pid_t spawn(std::vector<std::string> words, int out) {
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  const int result =
      ::posix_spawnp(&pid, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return result == 0 ? pid : -1;
}

// A self-signed certificate for 127.0.0.1 and `openssl s_server` that shows it on a free port.
class TlsServer : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/millrace_tls_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    make_certificate("server", "IP:127.0.0.1");
    make_certificate("other", "DNS:other.example");
  }

  void TearDown() override {
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }

  void make_certificate(const std::string& name, const std::string& subject) {
    const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const pid_t pid =
        spawn({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", file(name + ".key"), "-out", file(name + ".pem"), "-subj",
               "/CN=millrace test", "-days", "2", "-addext", "subjectAltName=" + subject},
              null.get());
    ASSERT_GT(pid, 0) << "the openssl command is missing";
    int status = -1;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0) << "openssl req failed";
  }

  // Starts the server and reads its port from the line "ACCEPT 127.0.0.1:<port>".
  void serve(const std::string& name, std::vector<std::string> more = {}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    output_.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    std::vector<std::string> words = {"openssl",           "s_server", "-accept",
                                      "127.0.0.1:0",       "-www",     "-cert",
                                      file(name + ".pem"), "-key",     file(name + ".key")};
    words.insert(words.end(), more.begin(), more.end());
    server_ = spawn(words, write_end.get());
    ASSERT_GT(server_, 0);
    std::string text;
    char c = 0;
    while (text.find("ACCEPT ") == std::string::npos || c != '\n') {
      ASSERT_EQ(::read(output_.get(), &c, 1), 1) << "openssl s_server ended: " << text;
      text += c;
    }
    const size_t colon = text.rfind(':');
    url_ = "https://127.0.0.1:" + std::to_string(std::atoi(text.c_str() + colon + 1)) + "/";
  }

  tl::expected<Reply, TransportError> get(const std::string& ca_file) {
    Client client({.ca_file = ca_file});
    Request request;
    request.method = Method::kGet;
    request.url = url_;
    return client.perform(request);
  }

  std::string folder_;
  std::string url_;
  UniqueFd output_;
  pid_t server_ = -1;
};

TEST_F(TlsServer, TrustsTheCaFile) {
  serve("server");
  const auto reply = get(file("server.pem"));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
}

TEST_F(TlsServer, RefusesAnUnknownIssuerBeforeAnythingIsSent) {
  serve("server");
  for (const std::string& ca_file : {std::string(), file("other.pem")}) {
    const auto reply = get(ca_file);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::kNotSent);
    EXPECT_TRUE(reply.error().untrusted) << reply.error().message;
  }
}

TEST_F(TlsServer, RefusesAnotherName) {
  serve("other");
  const auto reply = get(file("other.pem"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kNotSent);
  EXPECT_TRUE(reply.error().untrusted) << reply.error().message;
}

TEST_F(TlsServer, RefusesOldTls) {
  serve("server", {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
  const auto reply = get(file("server.pem"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kNotSent) << reply.error().message;
}

TEST_F(TlsServer, SaysThatTheCaFileIsMissing) {
  serve("server");
  const auto reply = get(file("absent.pem"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::kNotSent);
  EXPECT_THAT(reply.error().message, ::testing::HasSubstr("absent.pem"));
}

}  // namespace
}  // namespace millrace::http
