// SPDX-License-Identifier: Apache-2.0
#pragma once

// Checks of string options that go beyond their length. Each returns nullptr when the text is fine,
// else how a sentence about it goes on: `"a b" ` + `has a character other than ...`. Any thread.

#include <string_view>

namespace millrace::config {

const char* absolute_path_complaint(std::string_view text);
const char* id_complaint(std::string_view text);
const char* file_name_complaint(std::string_view text);
const char* ip_address_complaint(std::string_view text);
const char* network_complaint(std::string_view text);
const char* host_complaint(std::string_view text);
const char* self_hostname_complaint(std::string_view text);
const char* stream_name_complaint(std::string_view text);
const char* region_complaint(std::string_view text);
const char* http_url_complaint(std::string_view text);
const char* proxy_url_complaint(std::string_view text);

}  // namespace millrace::config
