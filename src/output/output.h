// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a flush thread sees of the place its chunks go to. An Output is one [[match]], shared by all
// workers; a Sender is one flush thread's hand on it. Knows nothing of retries, limits or files of
// the buffer: it answers for one attempt.
// Invariant: kCommitted means the destination has the whole record, durably; anything else may be
// attempted again with the same bytes and key.
// make_sender and target: any thread. put: the thread that owns the Sender. An Output outlives its
// Senders.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/chunk_id.h"
#include "base/result.h"
#include "config/model.h"

namespace millrace::output {

/// One chunk on its way. The views end with the call they are passed to.
struct Delivery {
  std::string_view partition_key;
  std::string_view record;  // head, body and tail: all of the Kinesis record's data
  ChunkId chunk_id;
  uint64_t records = 0;  // user records within
  uint32_t attempt = 1;  // 1 for the first
};

enum class Outcome : uint8_t {
  kCommitted,
  kThrottled,      // refused for now, not stored
  kAmbiguous,      // may be stored
  kUnavailable,    // not stored: network, disk, or a state that an operator must end
  kNotAuthorized,  // not stored: keys or permissions
  kRejected,       // not stored, and these bytes never will be
};

/// The word for metrics and logs: "committed", "throttled" ...
std::string_view outcome_name(Outcome outcome);

struct PutResult {
  Outcome outcome = Outcome::kUnavailable;
  std::string detail;           // for log and status: code, message, what to do; never a secret
  uint64_t retry_after_ms = 0;  // the next attempt not before; 0: as the backoff says
  bool resent = false;          // a kept connection had died: the request went out twice
};

class Sender {
 public:
  Sender() = default;
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  virtual ~Sender() = default;

  /// One attempt; blocks until its end is known or has timed out.
  virtual PutResult put(const Delivery& delivery) = 0;
  /// Ends a running put at once; later ones fail. Any thread.
  virtual void interrupt() noexcept = 0;
};

class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  virtual ~Output() = default;

  virtual std::unique_ptr<Sender> make_sender() = 0;
  /// Where the records go, for log and status.
  virtual std::string target() const = 0;
};

/// The output of a [[match]]; reads the environment for what the match leaves out. Errors name the
/// option to change. An http::Library must outlive the output.
Result<std::unique_ptr<Output>> make_output(const config::Match& match,
                                            const config::System& system);

}  // namespace millrace::output
