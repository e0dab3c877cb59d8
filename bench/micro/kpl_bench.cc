// SPDX-License-Identifier: Apache-2.0
// What the KPL format costs an event: its header, alone and behind the formatter.
#include <benchmark/benchmark.h>

#include <memory>

#include "bench/micro/encoded_event.h"

namespace millrace {
namespace {

constexpr size_t kRoomBytes = 512 << 10;

// Per event, whatever unit the reporter prints: 1e9 times the rate's inverse is nanoseconds.
benchmark::Counter ns_per_event(const benchmark::State& state, size_t events) {
  return {static_cast<double>(state.iterations()) * static_cast<double>(events) / 1e9,
          benchmark::Counter::kIsRate | benchmark::Counter::kInvert};
}

void headers_alone(benchmark::State& state) {
  char header[kpl::kFragmentHeaderBytesMax];
  size_t bytes = 300;
  for (auto _ : state) {
    for (size_t i = 0; i < 500; ++i) {
      bytes = 300 + (bytes * 7 + i) % 50;
      benchmark::DoNotOptimize(kpl::fragment_header_size(bytes));
      benchmark::DoNotOptimize(kpl::put_fragment_header(header, bytes, 0));
    }
  }
  state.counters["ns/event"] = ns_per_event(state, 500);
}
BENCHMARK(headers_alone);

void format_and_encode(benchmark::State& state) {
  const bench::Work work = bench::load_work();
  format::JsonFormatter formatter{config::Format()};
  const auto room = std::make_unique<char[]>(kRoomBytes);
  size_t bytes = 0;
  for (auto _ : state) {
    formatter.set_tag("app.web");
    char* out = room.get();
    for (const bench::Entry& entry : work.entries) {
      out = bench::encode_event(formatter, work, entry, out, room.get() + kRoomBytes);
    }
    bytes = static_cast<size_t>(out - room.get());
    benchmark::DoNotOptimize(room.get());
    benchmark::ClobberMemory();
  }
  state.counters["ns/event"] = ns_per_event(state, work.entries.size());
  state.counters["bytes/event"] =
      static_cast<double>(bytes) / static_cast<double>(work.entries.size());
}
BENCHMARK(format_and_encode);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
