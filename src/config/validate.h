// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rules between options, and what follows from them: default ids, the region of the
// environment. An option that had an error of its own stands at its default. Touches no file.
// Any thread.

#include "config/environment.h"
#include "config/load.h"
#include "config/reader.h"
#include "config/report.h"

namespace millrace::config {

/// Gives every source and match without an id its default: the type, then type_2 and so on.
void fill_ids(Draft& draft);

/// Checks `draft`, with fill_ids() done, and completes it from the environment.
void validate(Draft& draft, const LoadOptions& options, Report& report);

/// Bytes of a Kinesis record that are neither the body of its chunk nor settable: the magic, the
/// digest, the table of one key of `key_bytes` bytes (after "a" with kpl_compat), and the key of
/// the request. Source: amazon-kinesis-producer, aggregation-format.md; PutRecord counts the key.
uint64_t record_overhead(uint64_t key_bytes, KplCompat compat);

}  // namespace millrace::config
