// SPDX-License-Identifier: Apache-2.0
// The kernels that no receiver of this work can leave out, over the bytes of one chunk: digests,
// checksum, base64, a copy. Their sum is the floor of what an event costs.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>

#include "base/crc32c.h"
#include "base/digest.h"
#include "base/encoding.h"

namespace millrace {
namespace {

constexpr size_t kChunkBytes = 300 << 10;

const std::string& chunk() {
  static const std::string bytes = [] {
    std::mt19937_64 random(7);
    std::string made(kChunkBytes, '\0');
    for (char& byte : made) byte = static_cast<char>(random());
    return made;
  }();
  return bytes;
}

void tell_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kChunkBytes));
}

void crc32c_chunk(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(chunk()));
  tell_bytes(state);
}
BENCHMARK(crc32c_chunk);

void md5_chunk(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(md5(chunk()));
  tell_bytes(state);
}
BENCHMARK(md5_chunk);

void sha256_chunk(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sha256(chunk()));
  tell_bytes(state);
}
BENCHMARK(sha256_chunk);

void base64_chunk(benchmark::State& state) {
  std::string text;
  for (auto _ : state) {
    text.clear();
    base64_append(text, chunk());
    benchmark::DoNotOptimize(text.data());
  }
  tell_bytes(state);
}
BENCHMARK(base64_chunk);

void copy_chunk(benchmark::State& state) {
  std::string copy(kChunkBytes, '\0');
  for (auto _ : state) {
    std::memcpy(copy.data(), chunk().data(), kChunkBytes);
    benchmark::ClobberMemory();
  }
  tell_bytes(state);
}
BENCHMARK(copy_chunk);

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
