// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inflater: unpacks the payload of a CompressedPackedForward message into one reused buffer. gzip
// (RFC 1952) in any number of members back to back, zstd (RFC 8878) in any number of frames; both
// as one stream of bytes, since an entry may straddle them. Output, members and zstd's window are
// bounded; no memory is taken on the word of a header. One per loop thread.
// Invariant: output() never exceeds the limit.

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
    kCorrupt,   // not what it says, cut off, or followed by other bytes
    kTooLarge,  // more output, members or window than allowed
  };

  static constexpr uint64_t kMembersMax = 1'000'000;

  /// `output_limit` is in bytes.
  explicit Inflater(uint64_t output_limit);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Unpacks all of `packed`; nothing makes nothing. On kOk, output() holds it until the next call
  /// of unpack() or trim().
  Status unpack(Compression compression, std::string_view packed);
  std::string_view output() const { return {buffer_.get(), size_}; }
  /// Gives back the memory of an unusually large payload.
  void trim();

 private:
  struct Gzip;
  struct Zstd;
  struct Free {
    void operator()(char* memory) const noexcept;
  };

  Status unpack_gzip(std::string_view packed);
  Status unpack_zstd(std::string_view packed);
  /// Makes room behind size_; false at the limit.
  bool grow();

  uint64_t output_limit_;
  std::unique_ptr<Gzip> gzip_;  // made at first use
  std::unique_ptr<Zstd> zstd_;
  std::unique_ptr<char, Free> buffer_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace millrace::input
