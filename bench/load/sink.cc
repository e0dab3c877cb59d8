// SPDX-License-Identifier: Apache-2.0

// millrace-sink: a PutRecord endpoint for benchmarks. Prints {"port":N} when it listens and its
// totals as one JSON line at SIGTERM or SIGINT; GET /_stats gives the same totals at any time.
// Status 0, 1 if it cannot listen, 64 for wrong arguments.

#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/sink_server.h"

namespace millrace::bench {
namespace {

constexpr char kUsage[] =
    "usage: millrace-sink [options]\n"
    "  --bind 127.0.0.1  --port 0    0: any free port\n"
    "  --verify full                 full: magic, MD5, keys and every event's `seq`;\n"
    "                                seq: the same without the MD5; none: requests are counted\n"
    "  --expect 0                    events that will come, `seq` from 0; 0: up to the highest\n"
    "  --delay-ms 0                  wait so long before each reply\n"
    "  --certificate FILE --key FILE TLS with these (PEM)\n"
    "  --threads 1\n";

SinkOptions read_options(Arguments& arguments) {
  SinkOptions options;
  options.bind = arguments.text("bind", options.bind);
  options.port = static_cast<uint16_t>(arguments.number("port", 0, 0, 65'535));
  options.delay = std::chrono::milliseconds(arguments.number("delay-ms", 0, 0, 3'600'000));
  constexpr Verify kLevels[] = {Verify::kFull, Verify::kSeq, Verify::kNone};
  options.verify = kLevels[arguments.choice("verify", {"full", "seq", "none"})];
  return options;
}

int run(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  SinkOptions options = read_options(arguments);
  const uint64_t expected = arguments.number("expect", 0, 0, Ledger::kSeqMax);
  const std::string certificate = arguments.text("certificate", "");
  const std::string key = arguments.text("key", "");
  const uint64_t threads_wanted = arguments.number("threads", 1, 1, 64);
  if (const auto status = arguments.finish()) return *status;

  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before the threads, which inherit it

  TlsContext tls;
  if (!certificate.empty()) {
    auto made = make_tls_context(certificate, key);
    if (!made) {
      std::fprintf(stderr, "millrace-sink: %s\n", made.error().message.c_str());
      return 1;
    }
    tls = std::move(*made);
    options.tls = tls.get();
  }
  Ledger ledger(expected);
  std::vector<std::unique_ptr<SinkServer>> servers;
  for (uint64_t i = 0; i < threads_wanted; ++i) {
    servers.push_back(std::make_unique<SinkServer>(options, ledger));
    if (Result<> listening = servers.back()->listen(); !listening) {
      std::fprintf(stderr, "millrace-sink: %s\n", listening.error().message.c_str());
      return 1;
    }
    options.port = servers.back()->port();
  }
  std::vector<std::thread> threads;
  threads.reserve(servers.size());
  for (const auto& server : servers) threads.emplace_back(&SinkServer::run, server.get());
  std::printf("{\"port\":%u}\n", unsigned{options.port});
  std::fflush(stdout);

  int signal = 0;
  sigwait(&ends, &signal);
  for (const auto& server : servers) server->stop();
  for (auto& thread : threads) thread.join();
  std::printf("%s\n", ledger.json(verify_name(options.verify)).c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::run(argc, argv); }
