// SPDX-License-Identifier: Apache-2.0
// What the KPL format costs an event: its header, alone and behind the formatter.
#include <benchmark/benchmark.h>

#include <memory>

#include "bench/micro/encoded_event.h"

namespace millrace {
namespace {

constexpr size_t kRoomBytes = 512 << 10;

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
  state.counters["ns/event"] = bench::per_event(state, bench::kNanoseconds, 500);
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
  state.counters["ns/event"] = bench::per_event(state, bench::kNanoseconds, work.entries.size());
  state.counters["bytes/event"] =
      static_cast<double>(bytes) / static_cast<double>(work.entries.size());
}
BENCHMARK(format_and_encode);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
