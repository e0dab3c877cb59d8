// SPDX-License-Identifier: Apache-2.0
// Any bytes as a compressed payload: bounded output, the same as the libraries' one-shot calls make
// of it, and what unpacks once unpacks again. The same bytes as a plain payload: packed by the
// libraries they come back, whole or not at all.

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "input/forward/inflate.h"

namespace {

using millrace::input::Compression;
using millrace::input::Inflater;
using Status = Inflater::Status;

constexpr uint64_t kLimit = 1 << 18;

// Deterministic, so that a finding can be repeated.
std::string packed_by_library(Compression kind, std::string_view plain) {
  if (kind == Compression::kZstd) {
    std::string out(ZSTD_compressBound(plain.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 1));
    return out;
  }
  z_stream stream{};
  CHECK(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, plain.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// What the library makes of a single gzip member or of zstd frames that fit into the limit.
std::optional<std::string> unpacked_by_library(Compression kind, std::string_view packed) {
  std::string out(kLimit, '\0');
  if (kind == Compression::kZstd) {
    const size_t made = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
    if (ZSTD_isError(made)) return std::nullopt;
    out.resize(made);
    return out;
  }
  z_stream stream{};
  CHECK(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
  out.resize(stream.total_out);
  inflateEnd(&stream);
  if (!whole) return std::nullopt;
  return out;
}

// What the library makes of zstd frames that come a byte at a time. Frames whose last block is a
// compressed one of no bytes pass this way, but not ZSTD_decompress (libzstd 1.5.4).
std::optional<std::string> unpacked_by_bytes(std::string_view packed) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  std::string room(kLimit, '\0');
  ZSTD_outBuffer out{room.data(), room.size(), 0};
  size_t left = 1;
  for (const char& byte : packed) {
    ZSTD_inBuffer in{&byte, 1, 0};
    left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left)) return std::nullopt;
  }
  if (left != 0) return std::nullopt;
  room.resize(out.pos);
  return room;
}

void check_unpacking(Inflater& inflater, Compression kind, std::string_view packed) {
  const Status status = inflater.unpack(kind, packed);
  CHECK(inflater.output().size() <= kLimit);
  CHECK(status != Status::kTooLarge || inflater.output().size() == kLimit);
  CHECK(status != Status::kTooDense);
  CHECK(status != Status::kTooManyMembers || packed.size() > Inflater::kMembersMax);
  CHECK(status != Status::kWindowTooLarge || kind == Compression::kZstd);
  if (packed.empty()) return;
  if (const auto expected = unpacked_by_library(kind, packed)) {
    // ZSTD_decompress needs no window of its own, and takes windows and blocks of any size.
    CHECK(status == Status::kOk || kind == Compression::kZstd);
    CHECK(status != Status::kOk || inflater.output() == *expected);
  } else {
    // Gzip may be of several members.
    CHECK(status != Status::kOk || kind == Compression::kGzip ||
          unpacked_by_bytes(packed) == inflater.output());
  }
  if (status != Status::kOk) return;
  const std::string output(inflater.output());
  if (2 * output.size() > kLimit) return;
  CHECK(inflater.unpack(kind, std::string(packed) + std::string(packed)) == Status::kOk);
  CHECK(inflater.output() == output + output);
}

void check_round_trip(Inflater& inflater, Compression kind, std::string_view plain) {
  const std::string packed = packed_by_library(kind, plain);
  CHECK(inflater.unpack(kind, packed) == Status::kOk && inflater.output() == plain);
  CHECK(inflater.unpack(kind, packed.substr(0, packed.size() - 1)) == Status::kCorrupt);
  Inflater exact(std::max<size_t>(plain.size(), 1));
  CHECK(exact.unpack(kind, packed) == Status::kOk && exact.output() == plain);
  if (plain.size() < 2) return;
  Inflater narrow(plain.size() - 1);
  CHECK(narrow.unpack(kind, packed) == Status::kTooLarge);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Inflater inflater(kLimit);
  if (size < 1) return 0;
  const Compression kind = (data[0] & 1) != 0 ? Compression::kZstd : Compression::kGzip;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  check_unpacking(inflater, kind, bytes);
  if (bytes.size() <= kLimit) check_round_trip(inflater, kind, bytes);
  inflater.trim();
  return 0;
}
