// SPDX-License-Identifier: Apache-2.0
#pragma once

// Owners of libcurl's list of headers. Only the files of http/ include this one; the handles
// themselves are owned as void* in client.h, so that curl.h stays in this folder.

#include <curl/curl.h>

#include <memory>
#include <string>

#include "base/check.h"

namespace millrace::http {

struct HeaderListDeleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

/// Lines "Name: value"; "Name:" takes a header out that libcurl would add.
class HeaderList {
 public:
  void add(const std::string& line) {
    curl_slist* head = curl_slist_append(list_.get(), line.c_str());
    CHECK(head != nullptr);
    if (!list_) list_.reset(head);
  }
  curl_slist* get() const { return list_.get(); }

 private:
  std::unique_ptr<curl_slist, HeaderListDeleter> list_;
};

}  // namespace millrace::http
