// SPDX-License-Identifier: Apache-2.0
#pragma once

// Library: libcurl's process-wide state. main makes one before any thread starts and before the
// first Client, and lets it go after the last (curl_global_init(3)). Neither copied nor moved.

namespace millrace::http {

class Library {
 public:
  Library();
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

}  // namespace millrace::http
