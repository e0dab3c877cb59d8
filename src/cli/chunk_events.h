// SPDX-License-Identifier: Apache-2.0
#pragma once

// The events in the bytes of a chunk, as `millrace decode` prints events: one JSON line each. KPL
// fragments and MessagePack entries are read; bytes that are neither become one line with base64.
// One thread.

#include <string_view>

#include "base/result.h"
#include "buffer/chunk_frames.h"
#include "cli/output.h"

namespace millrace::cli {

/// `bytes` are the whole delivery: head, body, tail. An Error (kCorrupt, kInvalid): they are not
/// what `payload_format` says; events before the damage were printed.
Result<> print_events(std::string_view bytes, uint8_t payload_format,
                      const buffer::Metadata& metadata, Output& out);

}  // namespace millrace::cli
