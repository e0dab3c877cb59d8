// SPDX-License-Identifier: Apache-2.0

// millrace-load: numbered events to a forward server, measured. One JSON line on stdout; status 1
// if an ack is missing or wrong or a connection fails, 64 for wrong arguments.

#include <fmt/core.h>
#include <sys/resource.h>

#include <cstdio>

#include "bench/load/arguments.h"
#include "bench/load/generator.h"

namespace millrace::bench {
namespace {

constexpr char kUsage[] =
    "usage: millrace-load [options]\n"
    "  --host 127.0.0.1  --port 24224  --tag app.web\n"
    "  --events 1000000              in all; numbered in `seq`, from --first-seq (0)\n"
    "  --events-per-message 500\n"
    "  --event-bytes 0               of each entry, from 100; 0: eleven keys, about 244\n"
    "  --tags 1                      from 2 on the connections have <tag>.0, <tag>.1 ... in turn\n"
    "  --connections 8\n"
    "  --window 1                    unacknowledged messages per connection\n"
    "  --rate 0                      events per second; 0: as fast as it goes\n"
    "  --no-acks                     send no `chunk`, wait for nothing\n"
    "  --gzip                        CompressedPackedForward, compressed before the clock starts\n"
    "  --seed 1                      what the events hold\n"
    "  --timeout 60                  seconds without progress that end the run\n";

Plan read_plan(Arguments& arguments) {
  Plan plan;
  plan.host = arguments.text("host", plan.host);
  plan.port = std::to_string(arguments.number("port", 24224, 1, 65535));
  plan.shape.tag = arguments.text("tag", plan.shape.tag);
  plan.shape.tag.resize(std::min<size_t>(plan.shape.tag.size(), 250));
  plan.shape.events =
      static_cast<uint32_t>(arguments.number("events-per-message", 500, 1, 1'000'000));
  plan.shape.event_bytes =
      static_cast<uint32_t>(arguments.number("event-bytes", 0, 0, kEventBytesMax));
  if (plan.shape.event_bytes > 0) {
    plan.shape.event_bytes = std::max(plan.shape.event_bytes, kEventBytesMin);
  }
  plan.tags = arguments.number("tags", 1, 1, 1000);
  plan.shape.acks = !arguments.flag("no-acks");
  plan.shape.seed = arguments.number("seed", 1, 0, UINT64_MAX);
  plan.gzip = arguments.flag("gzip");
  plan.events = arguments.number("events", 1'000'000, 1, 1'000'000'000'000);
  plan.first_seq = arguments.number("first-seq", 0, 0, 999'999'999'999);
  plan.connections = arguments.number("connections", plan.connections, 1, 100'000);
  plan.window = arguments.number("window", plan.window, 1, 1'000'000);
  plan.events_per_s = arguments.number("rate", 0, 0, 1'000'000'000);
  plan.timeout_s = arguments.number("timeout", plan.timeout_s, 1, 86'400);
  return plan;
}

void allow_many_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

std::string in_us(const Histogram& times) {
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  return fmt::format(
      R"({{"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f},"mean":{:.1f}}})",
      us(times.percentile_ns(0.5)), us(times.percentile_ns(0.9)), us(times.percentile_ns(0.99)),
      us(times.percentile_ns(0.999)), us(times.max_ns()), us(times.mean_ns()));
}

void print(const Plan& plan, const Generator& generator, double cpu_s, bool passed) {
  const Figures& figures = generator.figures();
  const uint64_t missing = plan.shape.acks ? generator.messages_total() - figures.acked : 0;
  fmt::print(R"({{"passed":{},"events":{},"messages":{},"bytes":{},"seconds":{:.6f},)"
             R"("events_per_second":{:.0f},"acks":{},"acked":{},"missing":{},"wrong":{},)"
             R"("ack_us":{},"due_us":{},"gzip":{},"connections":{},"window":{},)"
             R"("events_per_message":{},"rate":{},"first_seq":{},"seed":{},"cpu_seconds":{:.3f}}})"
             "\n",
             passed, figures.events, figures.messages, figures.bytes, figures.seconds,
             figures.seconds > 0 ? static_cast<double>(figures.events) / figures.seconds : 0.0,
             plan.shape.acks, figures.acked, missing, figures.wrong, in_us(figures.ack),
             plan.events_per_s == 0 ? "null" : in_us(figures.due), plan.gzip, plan.connections,
             plan.window, plan.shape.events, plan.events_per_s, plan.first_seq, plan.shape.seed,
             cpu_s);
}

int run(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  const Plan plan = read_plan(arguments);
  if (const auto status = arguments.finish()) return *status;
  allow_many_files();
  Generator generator(plan);
  Result<> result = generator.connect();
  const double cpu_before_s = cpu_seconds();
  if (result) result = generator.run();
  if (!result) std::fprintf(stderr, "millrace-load: %s\n", result.error().message.c_str());
  print(plan, generator, cpu_seconds() - cpu_before_s, result.has_value());
  return result ? 0 : 1;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::run(argc, argv); }
