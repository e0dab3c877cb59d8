// SPDX-License-Identifier: Apache-2.0
#include "input/forward/inflate.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>

#include "base/check.h"

namespace millrace::input {
namespace {

constexpr size_t kFirstCapacity = size_t{256} << 10;
constexpr size_t kKeptCapacity = size_t{4} << 20;
constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib.h, inflateInit2
constexpr int kZstdWindowLogMax = 23;      // 8 MiB, what RFC 8878 asks every decoder to support

// RFC 8878, 3.1.1 and 3.1.2. libzstd would also take the frames of its versions before 0.8, by
// decoders that know no limit of the window.
bool begins_zstd_frame(std::string_view bytes) {
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) return true;
  return bytes.size() >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes.substr(1, 3) == "\x2a\x4d\x18";
}

}  // namespace

struct Inflater::Gzip {
  z_stream stream{};
  Gzip() {
    if (inflateInit2(&stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() { inflateEnd(&stream); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
};

struct Inflater::Zstd {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  Zstd() {
    if (context == nullptr) throw std::bad_alloc();
    CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kZstdWindowLogMax)));
  }
  ~Zstd() { ZSTD_freeDCtx(context); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
};

void Inflater::Free::operator()(char* memory) const noexcept { std::free(memory); }

Inflater::Inflater(uint64_t output_limit, uint64_t ratio_limit)
    : output_limit_(output_limit), ratio_limit_(ratio_limit) {}
Inflater::~Inflater() = default;

bool Inflater::grow() {
  if (size_ >= limit_) return false;
  if (size_ < capacity_) return true;
  const size_t wanted = std::max(kFirstCapacity, capacity_ * 2);
  const size_t capacity = static_cast<size_t>(std::min<uint64_t>(wanted, output_limit_));
  // realloc moves large blocks by remapping them, without a copy.
  auto* memory = static_cast<char*>(std::realloc(buffer_.release(), capacity));
  if (memory == nullptr) throw std::bad_alloc();
  buffer_.reset(memory);
  capacity_ = capacity;
  return true;
}

void Inflater::trim() {
  size_ = 0;
  if (capacity_ <= kKeptCapacity) return;
  buffer_.reset();
  capacity_ = 0;
}

Inflater::Unpacked Inflater::take() {
  capacity_ = 0;
  return {std::move(buffer_), std::exchange(size_, 0)};
}

Inflater::Status Inflater::unpack(Compression compression, std::string_view packed) {
  size_ = 0;
  if (packed.empty()) return Status::kOk;
  limit_ = output_limit_;
  if (ratio_limit_ > 0) {
    limit_ = std::min(limit_, std::max(kAnyRatioBytes, packed.size() * ratio_limit_));
  }
  return compression == Compression::kZstd ? unpack_zstd(packed) : unpack_gzip(packed);
}

Inflater::Status Inflater::unpack_gzip(std::string_view packed) {
  if (gzip_ == nullptr) gzip_ = std::make_unique<Gzip>();
  z_stream& stream = gzip_->stream;
  uint64_t members = 0;
  while (!packed.empty()) {
    if (++members > kMembersMax) return Status::kTooManyMembers;
    CHECK(inflateReset(&stream) == Z_OK);
    for (int status = Z_OK; status != Z_STREAM_END;) {
      // A byte over the limit tells "exactly the limit" from "more than that": zlib reports the end
      // of a member only when it has seen the trailer, which needs no room for output.
      const bool room = grow();
      char spare = 0;
      const auto in = static_cast<uInt>(std::min<size_t>(packed.size(), 1U << 30));
      const auto out = room ? static_cast<uInt>(std::min<size_t>(free_bytes(), 1U << 30)) : 1U;
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
      stream.avail_in = in;
      stream.next_out = reinterpret_cast<Bytef*>(room ? buffer_.get() + size_ : &spare);
      stream.avail_out = out;
      status = ::inflate(&stream, Z_NO_FLUSH);
      if (status != Z_OK && status != Z_STREAM_END) return Status::kCorrupt;
      packed.remove_prefix(in - stream.avail_in);
      const uInt made = out - stream.avail_out;
      if (!room && made > 0) return over_limit();
      size_ += made;
      if (status == Z_OK && packed.empty() && stream.avail_out > 0) return Status::kCorrupt;
    }
  }
  return Status::kOk;
}

Inflater::Status Inflater::unpack_zstd(std::string_view packed) {
  if (zstd_ == nullptr) zstd_ = std::make_unique<Zstd>();
  CHECK(!ZSTD_isError(ZSTD_DCtx_reset(zstd_->context, ZSTD_reset_session_only)));
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  uint64_t frames = 0;
  size_t left = 0;  // 0 between frames
  while (in.pos < in.size || left != 0) {
    if (left == 0 && !begins_zstd_frame(packed.substr(in.pos))) return Status::kCorrupt;
    const bool room = grow();
    char spare = 0;
    ZSTD_outBuffer out{room ? buffer_.get() + size_ : &spare, room ? free_bytes() : 1, 0};
    const size_t in_before = in.pos;
    left = ZSTD_decompressStream(zstd_->context, &out, &in);
    if (ZSTD_isError(left)) {
      return ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge
                 ? Status::kWindowTooLarge
                 : Status::kCorrupt;
    }
    if (!room && out.pos > 0) return over_limit();
    if (room) size_ += out.pos;
    if (left == 0 && ++frames > kMembersMax) return Status::kTooManyMembers;
    const bool stuck = in.pos == in_before && out.pos == 0;
    if (left != 0 && stuck) return Status::kCorrupt;  // the input breaks off
  }
  return Status::kOk;
}

}  // namespace millrace::input
