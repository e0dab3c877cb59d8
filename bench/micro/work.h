// SPDX-License-Identifier: Apache-2.0
#pragma once

// The work that every micro benchmark is measured on: 500 entries [EventTime, map of eleven keys],
// about 244 bytes each, as one PackedForward message carries them (bench/data/events-500.msgpack).

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/endian.h"
#include "base/event_time.h"
#include "base/msgpack_token.h"

namespace millrace::bench {

struct Entry {
  EventTime time;
  const char* record;
};

struct Work {
  std::string bytes;
  std::vector<Entry> entries;  // point into bytes
  const char* end() const { return bytes.data() + bytes.size(); }
};

/// Reads the file; ends the program when it is missing or not of the expected form.
inline Work load_work() {
  std::ifstream file(MILLRACE_BENCH_DATA "/events-500.msgpack", std::ios::binary);
  Work work{std::string(std::istreambuf_iterator<char>(file), {}), {}};
  const char* p = work.bytes.data();
  while (p < work.end()) {
    // 92 d7 00 SSSSSSSS NNNNNNNN <map>
    const EventTime time{load_be<uint32_t>(p + 3), load_be<uint32_t>(p + 7)};
    work.entries.push_back({time, p + 11});
    if (msgpack_token::skip(p, work.end()) != msgpack_token::Status::kOk) break;
  }
  if (work.entries.size() != 500) {
    std::fprintf(stderr, "events-500.msgpack: 500 entries expected\n");
    std::exit(1);
  }
  return work;
}

constexpr double kNanoseconds = 1e9;
constexpr double kMicroseconds = 1e6;

/// CPU time per event in this unit, whatever the reporter prints: the unit times the rate's
/// inverse. `events`: of one iteration.
inline benchmark::Counter per_event(const benchmark::State& state, double unit, size_t events) {
  return {static_cast<double>(state.iterations()) * static_cast<double>(events) / unit,
          benchmark::Counter::kIsRate | benchmark::Counter::kInvert};
}

}  // namespace millrace::bench
