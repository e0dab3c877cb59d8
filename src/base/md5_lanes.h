// SPDX-License-Identifier: Apache-2.0
#pragma once

// MD5 of up to four messages side by side. One MD5 is a chain of 64 dependent steps a block, so a
// core that hashes one message mostly waits; in the lanes of a vector four go in the time of one.
// RFC 1321; md5() (base/digest.h) is the reference. No use for messages of very unequal length: a
// lane whose message has ended runs empty. Any thread.

#include <cstddef>
#include <span>
#include <string_view>

#include "base/digest.h"

namespace millrace {

constexpr size_t kMd5Lanes = 4;

/// Up to kMd5Lanes messages; as many digests.
void md5_lanes(std::span<const std::string_view> messages, std::span<Md5Bytes> digests);

}  // namespace millrace
