// SPDX-License-Identifier: Apache-2.0
#pragma once

// The option table, a function per section; sections() of option.h puts them together. The options
// are in the .cc of their section: options_system, options_source, options_security and so on.
// Constants; any thread.

#include <span>

#include "config/option.h"

namespace millrace::config {

std::span<const Option> system_options();
std::span<const Option> system_log_options();
std::span<const Option> source_options();
std::span<const Option> security_options();
std::span<const Option> security_user_options();
std::span<const Option> security_client_options();
std::span<const Option> match_options();    // of every type
std::span<const Option> kinesis_options();  // type kinesis_aggregation
std::span<const Option> local_options();    // type local
std::span<const Option> buffer_options();
std::span<const Option> secondary_options();

// Section::open of these sections: Security of a ForwardSource, a new SecurityUser and a new
// SecurityClient of a Security; Secondary of a Match.
void* open_security(void* source);
void* open_security_user(void* security);
void* open_security_client(void* security);
void* open_secondary(void* match);

}  // namespace millrace::config
