// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads the data of a Kinesis record that must be KPL-aggregated and finds the `seq` of every event
// in it. A second reading of the format, on purpose not the product's. Allocates nothing but what
// `seqs` grows by. Source: awslabs/amazon-kinesis-producer, aggregation-format.md.
// Any thread; the bytes are only looked at.

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::bench {

/// Appends the number in `"seq":"<12 digits>"` of each user record, in order. `partition_key` is
/// that of the request: every user record must name it. Returns nullptr if all holds, else a
/// constant sentence about the first thing that does not; `seqs` then holds what came before.
const char* read_aggregate(std::string_view data, std::string_view partition_key, bool check_md5,
                           std::vector<uint64_t>& seqs);

}  // namespace millrace::bench
