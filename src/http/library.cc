// SPDX-License-Identifier: Apache-2.0
#include "http/library.h"

#include <curl/curl.h>

#include "base/check.h"

namespace millrace::http {

Library::Library() { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); }

Library::~Library() { curl_global_cleanup(); }

}  // namespace millrace::http
