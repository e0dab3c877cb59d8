// SPDX-License-Identifier: Apache-2.0
// Any bytes as a compressed payload: bounded output, and what unpacks once unpacks again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "input/forward/inflate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millrace::input::Compression;
  using millrace::input::Inflater;
  constexpr uint64_t kLimit = 1 << 18;
  static Inflater inflater(kLimit);
  if (size < 1) return 0;
  const Compression kind = (data[0] & 1) != 0 ? Compression::kZstd : Compression::kGzip;
  const std::string_view packed(reinterpret_cast<const char*>(data + 1), size - 1);
  const Inflater::Status status = inflater.unpack(kind, packed);
  CHECK(inflater.output().size() <= kLimit);
  if (status != Inflater::Status::kOk) return 0;
  const std::string output(inflater.output());
  if (2 * output.size() > kLimit) return 0;
  CHECK(inflater.unpack(kind, std::string(packed) + std::string(packed)) == Inflater::Status::kOk);
  CHECK(inflater.output() == output + output);
  inflater.trim();
  return 0;
}
