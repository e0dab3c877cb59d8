// SPDX-License-Identifier: Apache-2.0
#pragma once

// The output of type local: a stream in files beside the program, each line one record in the shape
// of an entry of the Kinesis GetRecords reply, so that the same readers do:
// {"SequenceNumber":"...","ApproximateArrivalTimestamp":1700000000.123,"PartitionKey":"...",
//  "Data":"<base64>"}
// Invariant: as LocalStream's. make_sender: any thread.

#include <memory>

#include "output/output.h"

namespace millrace::output {

/// Opens the stream in match.local.path, or <root_dir>/output.
Result<std::unique_ptr<Output>> make_local_output(const config::Match& match,
                                                  const config::System& system);

}  // namespace millrace::output
