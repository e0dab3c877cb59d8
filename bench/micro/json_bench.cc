// SPDX-License-Identifier: Apache-2.0
// The JSON formatter alone: nanoseconds and bytes per event.
#include <benchmark/benchmark.h>

#include <memory>

#include "bench/micro/work.h"
#include "format/json_formatter.h"

namespace millrace {
namespace {

constexpr size_t kRoomBytes = 512 << 10;

void run(benchmark::State& state, const config::Format& options) {
  const bench::Work work = bench::load_work();
  format::JsonFormatter formatter(options);
  const auto room = std::make_unique<char[]>(kRoomBytes);
  size_t bytes = 0;
  for (auto _ : state) {
    formatter.set_tag("app.web");
    char* out = room.get();
    for (const bench::Entry& entry : work.entries) {
      out = formatter.format(entry.record, work.end(), entry.time, out, room.get() + kRoomBytes)
                .out_end;
    }
    bytes = static_cast<size_t>(out - room.get());
    benchmark::DoNotOptimize(room.get());
    benchmark::ClobberMemory();
  }
  const size_t events = work.entries.size();
  state.counters["ns/event"] = bench::per_event(state, bench::kNanoseconds, events);
  state.counters["bytes/event"] = static_cast<double>(bytes) / static_cast<double>(events);
}

void format_events(benchmark::State& state) { run(state, {}); }
BENCHMARK(format_events);

void format_events_oj(benchmark::State& state) {
  config::Format options;
  options.json_compat = config::JsonCompat::kOj;
  run(state, options);
}
BENCHMARK(format_events_oj);

void format_events_without_inject(benchmark::State& state) {
  config::Format options;
  options.inject = false;
  run(state, options);
}
BENCHMARK(format_events_without_inject);

void skip_events(benchmark::State& state) {
  const bench::Work work = bench::load_work();
  for (auto _ : state) {
    const char* p = work.bytes.data();
    while (p < work.end()) {
      if (msgpack_token::skip(p, work.end()) != msgpack_token::Status::kOk) std::abort();
    }
    benchmark::DoNotOptimize(p);
  }
  state.counters["ns/event"] = bench::per_event(state, bench::kNanoseconds, work.entries.size());
}
BENCHMARK(skip_events);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
