// SPDX-License-Identifier: Apache-2.0
#pragma once

// The output of type kinesis_aggregation: one stream, its address and its keys. Makes the senders;
// shares the clock offset among them. Holds no connection itself.
// Invariant: what make_kinesis_output returns can sign and address a request.

#include <memory>

#include "aws/environment.h"
#include "output/output.h"

namespace millrace::output {

/// Checks stream_name, region, endpoint, http_proxy, ca_file, the keys and fixed_partition_key; an
/// error names the option and shows no secret. Region, keys and CA file (AWS_CA_BUNDLE) come from
/// the environment where the match gives none.
Result<std::unique_ptr<Output>> make_kinesis_output(const config::Match& match,
                                                    const aws::Environment& environment);

}  // namespace millrace::output
