// SPDX-License-Identifier: Apache-2.0
#include "base/md5_lanes.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/endian.h"

namespace millrace {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kBlockWords = 16;
constexpr size_t kSteps = 64;

// One 32-bit word of each lane.
using Words = uint32_t __attribute__((vector_size(4 * kMd5Lanes)));

struct State {
  Words a, b, c, d;
};

// RFC 1321, 3.4: floor(2^32 * |sin(i + 1)|).
constexpr std::array<uint32_t, kSteps> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

constexpr size_t word_of(size_t step) {
  constexpr size_t kFactors[4] = {1, 5, 3, 7};
  constexpr size_t kOffsets[4] = {0, 1, 5, 0};
  return (kFactors[step / 16] * step + kOffsets[step / 16]) % kBlockWords;
}

// Inlined into functions for several processors, which is what makes them fast there.
#define ALWAYS_INLINE inline __attribute__((always_inline))

template <size_t kStep>
ALWAYS_INLINE Words mixed(Words b, Words c, Words d) {
  if constexpr (kStep < 16) return d ^ (b & (c ^ d));
  if constexpr (kStep >= 16 && kStep < 32) return c ^ (d & (b ^ c));
  if constexpr (kStep >= 32 && kStep < 48) return b ^ c ^ d;
  return c ^ (b | ~d);
}

template <size_t kStep>
ALWAYS_INLINE void step(State& s, const Words* block) {
  constexpr int kShift = kShifts[kStep / 16][kStep % 4];
  const Words sum = (s.a + (block[word_of(kStep)] + kSines[kStep])) + mixed<kStep>(s.b, s.c, s.d);
  const Words turned = (sum << kShift) | (sum >> (32 - kShift));
  s = State{.a = s.d, .b = s.b + turned, .c = s.b, .d = s.c};
}

template <size_t... kStep>
ALWAYS_INLINE void all_steps(State& state, const Words* block, std::index_sequence<kStep...>) {
  (step<kStep>(state, block), ...);
}

// Four words of each lane, turned so that each vector has the same word of all lanes.
ALWAYS_INLINE void load_four_words(const std::array<const char*, kMd5Lanes>& lanes, size_t offset,
                                   Words* out) {
  std::array<Words, kMd5Lanes> rows;
  for (size_t lane = 0; lane < kMd5Lanes; ++lane) {
    std::memcpy(&rows[lane], lanes[lane] + offset, sizeof(Words));
  }
  const Words low_01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
  const Words low_23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
  const Words high_01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
  const Words high_23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
  out[0] = __builtin_shufflevector(low_01, low_23, 0, 1, 4, 5);
  out[1] = __builtin_shufflevector(low_01, low_23, 2, 3, 6, 7);
  out[2] = __builtin_shufflevector(high_01, high_23, 0, 1, 4, 5);
  out[3] = __builtin_shufflevector(high_01, high_23, 2, 3, 6, 7);
}

ALWAYS_INLINE void hash_blocks(State& state, std::array<const char*, kMd5Lanes> lanes,
                               size_t blocks) {
  for (size_t offset = 0; offset < blocks * kBlockBytes; offset += kBlockBytes) {
    Words block[kBlockWords];
    for (size_t word = 0; word < kBlockWords; word += 4) {
      load_four_words(lanes, offset + 4 * word, block + word);
    }
    State next = state;
    all_steps(next, block, std::make_index_sequence<kSteps>());
    state.a += next.a;
    state.b += next.b;
    state.c += next.c;
    state.d += next.d;
  }
}

using HashBlocks = void (*)(State&, std::array<const char*, kMd5Lanes>, size_t);

void hash_blocks_plain(State& state, std::array<const char*, kMd5Lanes> lanes, size_t blocks) {
  hash_blocks(state, lanes, blocks);
}

#if defined(__x86_64__)
// It turns a word and mixes three in one instruction each: the chain of a step is four, not six.
__attribute__((target("avx512vl"))) void hash_blocks_avx512(
    State& state, std::array<const char*, kMd5Lanes> lanes, size_t blocks) {
  hash_blocks(state, lanes, blocks);
}

HashBlocks best_hash_blocks() {
  return __builtin_cpu_supports("avx512vl") != 0 ? hash_blocks_avx512 : hash_blocks_plain;
}
#else
HashBlocks best_hash_blocks() { return hash_blocks_plain; }
#endif

// What is left of one message: whole blocks of it, then its end with the padding.
class Lane {
 public:
  void start(std::string_view message) {
    at_ = message.data();
    blocks_ = message.size() / kBlockBytes;
    const size_t rest = message.size() % kBlockBytes;
    if (rest > 0) std::memcpy(end_.data(), at_ + blocks_ * kBlockBytes, rest);
    end_[rest] = static_cast<char>(0x80);
    end_blocks_ = rest < kBlockBytes - 8 ? 1 : 2;
    store_le<uint64_t>(end_.data() + end_blocks_ * kBlockBytes - 8, uint64_t{message.size()} * 8);
    advance(0);
  }
  void advance(size_t blocks) {
    at_ += blocks * kBlockBytes;
    blocks_ -= blocks;
    if (blocks_ > 0 || end_blocks_ == 0) return;
    at_ = end_.data();
    blocks_ = std::exchange(end_blocks_, 0);
  }
  const char* at() const { return at_; }
  size_t blocks() const { return blocks_; }  // without a gap from at() on; 0: it has ended

 private:
  const char* at_ = nullptr;
  size_t blocks_ = 0;
  std::array<char, 2 * kBlockBytes> end_{};
  size_t end_blocks_ = 0;
};

// The lane that can go on for the fewest blocks; nullptr when all have ended.
const Lane* shortest(const std::array<Lane, kMd5Lanes>& lanes) {
  const Lane* found = nullptr;
  for (const Lane& lane : lanes) {
    if (lane.blocks() == 0) continue;
    if (found == nullptr || lane.blocks() < found->blocks()) found = &lane;
  }
  return found;
}

Md5Bytes digest_of(const State& state, size_t lane) {
  Md5Bytes digest;
  store_le<uint32_t>(digest.data(), state.a[lane]);
  store_le<uint32_t>(digest.data() + 4, state.b[lane]);
  store_le<uint32_t>(digest.data() + 8, state.c[lane]);
  store_le<uint32_t>(digest.data() + 12, state.d[lane]);
  return digest;
}

}  // namespace

void md5_lanes(std::span<const std::string_view> messages, std::span<Md5Bytes> digests) {
  static const HashBlocks hash = best_hash_blocks();
  CHECK(messages.size() <= kMd5Lanes && digests.size() == messages.size());
  std::array<Lane, kMd5Lanes> lanes;
  for (size_t i = 0; i < messages.size(); ++i) lanes[i].start(messages[i]);
  State state{.a = Words{} + 0x67452301U,
              .b = Words{} + 0xefcdab89U,
              .c = Words{} + 0x98badcfeU,
              .d = Words{} + 0x10325476U};
  while (const Lane* least = shortest(lanes)) {
    const size_t blocks = least->blocks();
    std::array<const char*, kMd5Lanes> from;  // one that has ended repeats another's bytes
    for (size_t i = 0; i < kMd5Lanes; ++i) {
      from[i] = lanes[i].blocks() > 0 ? lanes[i].at() : least->at();
    }
    hash(state, from, blocks);
    for (size_t i = 0; i < kMd5Lanes; ++i) {
      if (lanes[i].blocks() == 0) continue;
      lanes[i].advance(blocks);
      if (lanes[i].blocks() == 0) digests[i] = digest_of(state, i);
    }
  }
}

}  // namespace millrace
