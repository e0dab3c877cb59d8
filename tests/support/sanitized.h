// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a test runs under a sanitizer, where each of its cases takes many times as long.

#include <cstdint>

namespace millrace::testing {

#if defined(__has_feature)  // clang
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // gcc
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// `normal` cases, or `sanitized` ones where each takes many times as long.
constexpr uint64_t unless_sanitized(uint64_t normal, uint64_t sanitized) {
  return kSanitized ? sanitized : normal;
}

}  // namespace millrace::testing
