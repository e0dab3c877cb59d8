// SPDX-License-Identifier: Apache-2.0
// flush and status against the real control socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "admin/control_socket.h"
#include "admin/status.h"
#include "app/exit_code.h"
#include "cli/commands.h"
#include "cli/control_client.h"
#include "cli/status_text.h"
#include "tests/unit/cli/captured.h"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

class ControlTest : public testing::Test {
 protected:
  ControlTest() {
    char name[] = "/tmp/millrace_control_XXXXXX";
    directory_ = ::mkdtemp(name) == nullptr ? "" : name;
    std::ofstream(directory_ + "/m.toml") << "[system]\nroot_dir = \"" << directory_ << "\"\n";
  }
  ~ControlTest() override { std::filesystem::remove_all(directory_); }

  void serve(const std::string& status) {
    auto opened =
        admin::ControlSocket::open(socket_path(), {.metrics = [] { return std::string("m 1\n"); },
                                                   .status = [status] { return status; },
                                                   .flush = [this] { return flushed_; }});
    ASSERT_TRUE(opened) << opened.error().message;
    socket_ = *std::move(opened);
  }

  std::string socket_path() const { return directory_ + "/control.sock"; }

  Arguments arguments() const {
    Arguments arguments;
    arguments.config_path = directory_ + "/m.toml";
    return arguments;
  }

  static Captured run(int (*command)(const Arguments&, Output&), const Arguments& arguments) {
    return captured("", [&](int, Output& out) { return command(arguments, out); });
  }

  std::string directory_;
  Result<uint64_t> flushed_ = 2;
  std::unique_ptr<admin::ControlSocket> socket_;
};

TEST_F(ControlTest, FlushTellsTheChunks) {
  serve("{}");
  EXPECT_EQ(run(flush, arguments()).out, "2 chunks flushed\n");
  flushed_ = 1;
  EXPECT_EQ(run(flush, arguments()).out, "1 chunk flushed\n");
  flushed_ = fail(ErrorKind::kIo, "the disk is full");
  const Captured refused = run(flush, arguments());
  EXPECT_EQ(refused.exit_code, app::kExitUnavailable);
  EXPECT_EQ(refused.complaints, "millrace: the service refused: the disk is full\n");
}

TEST_F(ControlTest, StatusIsTextOrJson) {
  admin::Status status;
  status.version = "0.1.0";
  status.pid = 42;
  status.state = admin::State::kRunning;
  status.sources = {
      {.id = "forward", .type = "forward", .bind = "::", .port = 5, .connections = 1}};
  admin::OutputWorkerStatus worker{.worker = 0,
                                   .staged_chunks = 2,
                                   .queued_chunks = 3,
                                   .in_flight = 1,
                                   .staged_bytes = 1536,
                                   .queued_bytes = 10,
                                   .segments = 1,
                                   .disk_bytes = 4 << 20,
                                   .state = "ready",
                                   .last_error = "503\nsecond line"};
  admin::OutputWorkerStatus other = worker;
  other.worker = 1;
  other.state = "waiting";
  other.last_error = "";
  status.outputs = {{.id = "out", .type = "local", .workers = {worker, other}}};
  status.left_buffers = {"/gone"};
  status.resident_bytes = 5 << 20;
  status.pools = {{.name = "receive", .unit = "bytes", .used = 0, .limit = 1 << 20},
                  {.name = "queued", .unit = "chunks", .used = 6, .limit = std::nullopt}};
  serve(admin::status_json(status));
  EXPECT_EQ(run(cli::status, arguments()).out,
            "millrace 0.1.0, pid 42, running\n"
            "in  forward  [::]:5  1 connection\n"
            "     output  type   staged       queued    in flight  on disk  state\n"
            "out  out     local  4 (3.0 KiB)  6 (20 B)  2          8.0 MiB  ready, waiting\n"
            "        pool     used      limit\n"
            "memory  receive  0 B       1.0 MiB\n"
            "memory  queued   6 chunks  on disk\n"
            "resident memory: 5.0 MiB\n"
            "a buffer that no output uses, what is in it is not delivered: /gone\n"
            "last error of out, worker 0: 503 second line\n");
  Arguments json = arguments();
  json.json = true;
  EXPECT_EQ(run(cli::status, json).out, admin::status_json(status));
}

TEST_F(ControlTest, StatusTellsOfABreakerThatIsNotClosed) {
  admin::Status status;
  status.state = admin::State::kRunning;
  status.outputs = {{.id = "a", .type = "local", .breaker = admin::BreakerStatus{}},
                    {.id = "b",
                     .type = "local",
                     .breaker = admin::BreakerStatus{.state = "open",
                                                     .since_ms = 65'400,
                                                     .next_probe_ms = 2'500,
                                                     .last_error = "no\nroute"}},
                    {.id = "c",
                     .type = "local",
                     .breaker = admin::BreakerStatus{.state = "throttled", .since_ms = 900}}};
  serve(admin::status_json(status));
  const std::string out = run(cli::status, arguments()).out;
  EXPECT_EQ(out.find("a is"), std::string::npos) << out;
  EXPECT_NE(out.find("b is open for 65 s, next probe in 2.5 s: no route\n"), std::string::npos)
      << out;
  EXPECT_NE(out.find("c is throttled for 0.9 s\n"), std::string::npos) << out;
}

TEST_F(ControlTest, SocketNeedsNoConfiguration) {
  serve("{\"state\":\"running\"}");
  Arguments direct;
  direct.config_path = "/nonexistent";
  direct.socket_path = socket_path();
  EXPECT_EQ(run(cli::status, direct).exit_code, app::kExitFine);
}

TEST_F(ControlTest, TellsWhatIsWrong) {
  const Captured nobody = run(cli::status, arguments());
  EXPECT_EQ(nobody.exit_code, app::kExitUnavailable);
  EXPECT_EQ(nobody.complaints,
            "millrace: no millrace answers on " + socket_path() + ": No such file or directory\n");
  Arguments lost;
  lost.config_path = directory_ + "/none.toml";
  EXPECT_EQ(run(cli::flush, lost).exit_code, app::kExitConfig);
  Arguments longer;
  longer.socket_path = std::string(200, 'x');
  EXPECT_THAT(run(cli::flush, longer).complaints, HasSubstr("too long"));
  serve("not json");
  EXPECT_EQ(run(cli::status, arguments()).complaints,
            "millrace: the service gave an answer that this version does not know\n");
}

TEST_F(ControlTest, ReadsLargeAnswers) {
  serve(std::string(3 << 20, 'x'));
  const auto answer = ask_service(socket_path(), "GET", "/status", 10'000);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body.size(), 3U << 20);
  EXPECT_EQ(ask_service(socket_path(), "GET", "/none", 10'000)->status, 404);
}

TEST(StatusText, LeavesOutWhatItDoesNotKnow) {
  EXPECT_EQ(status_text("{\"state\":\"running\"}"), "millrace , pid 0, running\n");
  EXPECT_TRUE(status_text("{\"state\":1,\"sources\":5,\"outputs\":{},\"memory\":[]}"));
  EXPECT_TRUE(status_text("{\"state\":1,\"sources\":[5],\"outputs\":[null]}"));
  EXPECT_FALSE(status_text("[]"));
  EXPECT_FALSE(status_text("{}"));
  EXPECT_FALSE(status_text(""));
}

TEST(StatusText, BytesAreShort) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(64ULL << 30), "64.0 GiB");
  EXPECT_EQ(bytes_text(~0ULL), "16.0 EiB");
}

}  // namespace
}  // namespace millrace::cli
