// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inflater: unpacks the payload of a CompressedPackedForward message into one reused buffer. gzip
// (RFC 1952) in any number of members back to back, zstd (RFC 8878) in any number of frames; both
// as one stream of bytes, since an entry may straddle them. Output, its ratio to the input, members
// and zstd's window are bounded; no memory is taken on the word of a header. One per loop thread.
// Invariant: output() never exceeds the limits.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "input/forward/message_decoder.h"

namespace millrace::input {

class Inflater {
 public:
  enum class Status : uint8_t {
    kOk,
    kCorrupt,         // not what it says, cut off, or followed by other bytes
    kTooLarge,        // more output than output_limit
    kTooDense,        // more output than ratio_limit allows
    kTooManyMembers,  // of gzip, or frames of zstd: more than kMembersMax
    kWindowTooLarge,  // of zstd: more than 8 MiB
  };

  static constexpr uint64_t kMembersMax = 1'000'000;
  /// So much may come of any input: a short message of equal lines packs very well.
  static constexpr uint64_t kAnyRatioBytes = 16ULL << 20;

  /// `output_limit` is in bytes; `ratio_limit` in bytes for each byte of the input, 0: none.
  explicit Inflater(uint64_t output_limit, uint64_t ratio_limit = 0);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Unpacks all of `packed`; nothing makes nothing. On kOk, output() holds it until the next call
  /// of unpack() or trim().
  Status unpack(Compression compression, std::string_view packed);
  std::string_view output() const { return {buffer_.get(), size_}; }
  /// Gives back the memory of an unusually large payload.
  void trim();

  struct Free {
    void operator()(char* memory) const noexcept;
  };
  /// An output of its own.
  struct Unpacked {
    std::unique_ptr<char, Free> bytes;
    size_t size = 0;
    std::string_view view() const { return {bytes.get(), size}; }
  };
  /// The output; the views of it stay, and there is none any more.
  Unpacked take();

 private:
  struct Gzip;
  struct Zstd;

  Status unpack_gzip(std::string_view packed);
  Status unpack_zstd(std::string_view packed);
  /// Makes room behind size_; false at the limit.
  bool grow();
  size_t free_bytes() const { return std::min<uint64_t>(capacity_, limit_) - size_; }
  Status over_limit() const {
    return limit_ < output_limit_ ? Status::kTooDense : Status::kTooLarge;
  }

  uint64_t output_limit_;
  uint64_t ratio_limit_;
  uint64_t limit_ = 0;          // of the output of this payload
  std::unique_ptr<Gzip> gzip_;  // made at first use
  std::unique_ptr<Zstd> zstd_;
  std::unique_ptr<char, Free> buffer_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace millrace::input
