// SPDX-License-Identifier: Apache-2.0
// The kernels that no receiver of this work can leave out, each over the bytes that the work gives
// it, in microseconds of CPU per event. scripts/bench adds them up: the floor of what an event
// costs. One thread; a buffer file in the working directory's own disk for the one that writes.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "base/crc32c.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "base/md5_lanes.h"
#include "bench/micro/encoded_event.h"
#include "format/json_formatter.h"

namespace millrace {
namespace {

constexpr size_t kRoomBytes = 512 << 10;

const bench::Work& work() {
  static const bench::Work loaded = bench::load_work();
  return loaded;
}

size_t encode_all(format::JsonFormatter& formatter, char* room) {
  formatter.set_tag("app.web");
  char* out = room;
  for (const bench::Entry& entry : work().entries) {
    out = bench::encode_event(formatter, work(), entry, out, room + kRoomBytes);
  }
  return static_cast<size_t>(out - room);
}

// The records of one message, as they go into a chunk.
const std::string& records() {
  static const std::string bytes = [] {
    format::JsonFormatter formatter{config::Format()};
    std::string room(kRoomBytes, '\0');
    room.resize(encode_all(formatter, room.data()));
    return room;
  }();
  return bytes;
}

const std::string& records_in_base64() {
  static const std::string text = [] {
    std::string made;
    base64_append(made, records());
    return made;
  }();
  return text;
}

void tell(benchmark::State& state, size_t messages = 1) {
  state.counters["us/event"] =
      bench::per_event(state, bench::kMicroseconds, work().entries.size() * messages);
}

void json(benchmark::State& state) {
  format::JsonFormatter formatter{config::Format()};
  const auto room = std::make_unique<char[]>(kRoomBytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(encode_all(formatter, room.get()));
    benchmark::ClobberMemory();
  }
  tell(state);
}
BENCHMARK(json);

void md5(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(millrace::md5(records()));
  tell(state);
}
BENCHMARK(md5);

void md5_of_four(benchmark::State& state) {
  const std::array<std::string, kMd5Lanes> copies = {records(), records(), records(), records()};
  const std::array<std::string_view, kMd5Lanes> messages = {copies[0], copies[1], copies[2],
                                                            copies[3]};
  std::array<Md5Bytes, kMd5Lanes> digests;
  for (auto _ : state) {
    md5_lanes(messages, digests);
    benchmark::DoNotOptimize(digests);
  }
  tell(state, kMd5Lanes);
}
BENCHMARK(md5_of_four);

void base64(benchmark::State& state) {
  std::string text;
  for (auto _ : state) {
    text.clear();
    base64_append(text, records());
    benchmark::DoNotOptimize(text.data());
  }
  tell(state);
}
BENCHMARK(base64);

void sha256_of_json_body(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sha256(records_in_base64()));
  tell(state);
}
BENCHMARK(sha256_of_json_body);

void sha256_of_cbor_body(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sha256(records()));
  tell(state);
}
BENCHMARK(sha256_of_cbor_body);

// Once when it is written and once when it is read back.
void crc32c_twice(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(crc32c(records()));
    benchmark::DoNotOptimize(crc32c(records()));
  }
  tell(state);
}
BENCHMARK(crc32c_twice);

// In from the socket, out to it: what the kernel copies of one message and of its body.
void copy_in_and_out(benchmark::State& state, const std::string& body) {
  std::string in(work().bytes.size(), '\0');
  std::string out(body.size(), '\0');
  for (auto _ : state) {
    std::memcpy(in.data(), work().bytes.data(), in.size());
    std::memcpy(out.data(), body.data(), out.size());
    benchmark::ClobberMemory();
  }
  tell(state);
}

void socket_copies_of_json_body(benchmark::State& state) {
  copy_in_and_out(state, records_in_base64());
}
BENCHMARK(socket_copies_of_json_body);

void socket_copies_of_cbor_body(benchmark::State& state) { copy_in_and_out(state, records()); }
BENCHMARK(socket_copies_of_cbor_body);

// The CPU of it; how long the disk takes is the disk's affair.
void write_and_sync(benchmark::State& state) {
  std::array<char, 32> name{"kernel_bench.XXXXXX"};
  const int file = mkstemp(name.data());
  if (file < 0 || unlink(name.data()) != 0 || posix_fallocate(file, 0, kRoomBytes) != 0) {
    state.SkipWithError("no file in the working directory");
    return;
  }
  for (auto _ : state) {
    if (pwrite(file, records().data(), records().size(), 0) < 0 || fdatasync(file) != 0) {
      state.SkipWithError("pwrite or fdatasync");
      break;
    }
  }
  close(file);
  tell(state);
}
BENCHMARK(write_and_sync);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
