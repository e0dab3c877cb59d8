// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one place where a reply of Kinesis becomes an Outcome. A table by error code, and what the
// status says where no code is known (Kinesis API reference, "Common errors" and PutRecord,
// "Errors"; Kinesis answers nearly everything with status 400, so the code counts first).
// Pure; any thread.

#include <cstdint>
#include <string_view>

#include "output/kinesis/put_record.h"
#include "output/output.h"

namespace millrace::output {

/// Waits of states that only an operator ends.
constexpr uint64_t kSlowRetryMs = 10'000;

struct Judgement {
  Outcome outcome = Outcome::kAmbiguous;
  uint64_t retry_after_ms = 0;  // as in PutResult
  bool clock_wrong = false;     // our clock differs: learn the offset and send again at once
  bool intermediary = false;    // the reply is not of Kinesis: a proxy, a firewall, another server
  std::string_view advice;      // what an operator can do; may be empty
};

Judgement judge(int status, const PutRecordReply& reply);

}  // namespace millrace::output
