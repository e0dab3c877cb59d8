// SPDX-License-Identifier: Apache-2.0
// The reply to a PutRecord: any body, any x-amzn-ErrorType. Nothing but a whole JSON object with
// both strings may pass as a success, and what is kept is bounded.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "output/kinesis/error_table.h"
#include "output/kinesis/put_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millrace::output::Outcome;
  if (size < 2) return 0;
  // Two bytes choose the status, the rest is the body; its start serves as the header too.
  const int status = (data[0] | data[1] << 8) % 600;
  const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  const auto reply = millrace::output::parse_put_record_reply(body, body.substr(0, 64));
  CHECK(reply.error_code.size() <= 128);
  CHECK(reply.message.size() <= 1024);
  CHECK(reply.shard_id.size() <= 128 && reply.sequence_number.size() <= 128);
  const auto judgement = millrace::output::judge(status, reply);
  if (judgement.outcome == Outcome::kCommitted) {
    CHECK(status == 200 && reply.json_object);
    CHECK(!reply.shard_id.empty() && !reply.sequence_number.empty());
  }
  return 0;
}
