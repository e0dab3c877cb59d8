// SPDX-License-Identifier: Apache-2.0
// What the KPL format costs an event: its header, alone and behind the formatter; and the digest of
// a chunk, by far the larger part, for comparison.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>

#include "base/digest.h"
#include "bench/micro/work.h"
#include "format/json_formatter.h"
#include "kpl/record_encoder.h"

namespace millrace {
namespace {

constexpr size_t kRoomBytes = 512 << 10;

// Per event, whatever unit the reporter prints: 1e9 times the rate's inverse is nanoseconds.
benchmark::Counter ns_per_event(const benchmark::State& state, size_t events) {
  return {static_cast<double>(state.iterations()) * static_cast<double>(events) / 1e9,
          benchmark::Counter::kIsRate | benchmark::Counter::kInvert};
}

// One event as the way in writes it: JSON behind a gap, then the header into the gap.
char* encode(format::JsonFormatter& formatter, const bench::Work& work, const bench::Entry& entry,
             char* out, char* limit) {
  char* const data = out + kpl::kFragmentHeaderBytesGuess;
  const format::FormatResult json =
      formatter.format(entry.record, work.end(), entry.time, data, limit);
  const auto bytes = static_cast<size_t>(json.out_end - data);
  const size_t header_bytes = kpl::fragment_header_size(bytes);
  if (header_bytes != kpl::kFragmentHeaderBytesGuess) std::memmove(out + header_bytes, data, bytes);
  return kpl::put_fragment_header(out, bytes, 0) + bytes;
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
      out = encode(formatter, work, entry, out, room.get() + kRoomBytes);
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

void digest_of_a_chunk(benchmark::State& state) {
  const bench::Work work = bench::load_work();
  format::JsonFormatter formatter{config::Format()};
  const auto room = std::make_unique<char[]>(kRoomBytes);
  char* out = room.get();
  for (const bench::Entry& entry : work.entries) {
    out = encode(formatter, work, entry, out, room.get() + kRoomBytes);
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(md5({room.get(), static_cast<size_t>(out - room.get())}));
  }
  state.counters["ns/event"] = ns_per_event(state, work.entries.size());
}
BENCHMARK(digest_of_a_chunk);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
