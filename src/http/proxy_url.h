// SPDX-License-Identifier: Apache-2.0
#pragma once

// The URL of a proxy, which may hold a password. Any thread.

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::http {

/// Checks "[http://|https://][user[:password]@]host[:port]"; the error never shows `url`.
Result<> check_proxy_url(std::string_view url);

/// `url` without "user:password@", fit for a log.
std::string without_user(std::string_view url);

}  // namespace millrace::http
