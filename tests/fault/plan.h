// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plan: what a simulated millrace is configured with and what happens to it, all of it from one
// seed: the requests that agents send, and the steps of the process. A value; does nothing itself.
// Invariant: the same seed gives the same plan.

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::fault {

/// One forward message. Its records are made from its number, so that nobody has to keep them.
struct Request {
  uint32_t number = 0;
  size_t output = 0;
  uint32_t stage = 0;  // which staged chunk of the output it goes into
  std::vector<uint32_t> record_bytes;
  bool keyed = true;         // has a `chunk` option: it is sent again until it is acked
  bool dead_letter = false;  // its first record is too large for the output
  bool unrouted = false;     // no output takes it: all of it is staged for dead/
};

/// `r<number>.<index>|`, filling, `;`.
std::string record_of(const Request& request, size_t index);

enum class Act : uint8_t {
  kSend,      // value: request; log: where to
  kCommit,    // log
  kSeal,      // log: all staged chunks
  kSealOld,   // log: those older than a second
  kDeliver,   // log: take a chunk, send it, write its line
  kTake,      // log: take and send it; its answer never comes
  kGiveBack,  // log: an attempt fails
  kGiveUp,    // log: the service refuses a chunk for good
  kDrop,      // log: drop_oldest_chunk
  kTend,      // log: a round of housekeeping
  kPad,       // log: nothing came for a second
  kPass,      // value: milliseconds
  kResend,    // agents send what was not acked again; log: worker they find
  kKill,      // the process dies and is started again
  kCut,       // the machine loses power, with what was not synced, and is started again
  kDiskFull,  // value: bytes that are left
  kDiskSpace,
  kSyncFails,  // the next sync of a file fails, and its pages are clean
  kMove,       // log: what keeps a segment for little is moved, and the segment goes
};

struct Step {
  Act act = Act::kTend;
  size_t log = 0;
  uint64_t value = 0;
};

struct Plan {
  uint64_t seed = 0;
  size_t outputs = 1;
  size_t workers = 1;
  uint64_t chunk_bytes_max = 4000;
  uint64_t records_max = 0;
  bool seal_each_request = false;
  uint64_t total_limit_bytes = 1ULL << 40;
  uint64_t segment_bytes = 256ULL << 10;  // what the disk grants a segment at most
  uint64_t spill_after_ms = 60'000;
  uint64_t move_bytes_max = 4ULL << 20;
  std::vector<Request> requests;
  std::vector<Step> steps;

  size_t logs() const { return outputs * workers; }
  size_t output_of(size_t log) const { return log / workers; }
  size_t log_of(size_t output, size_t worker) const { return output * workers + worker; }
  std::string directory_of(size_t log) const;
};

/// A plan of about `steps` steps. Kinds of plans follow each other with the seed, so that any few
/// consecutive seeds have rolls, several outputs and workers, dead letters, overflow and restarts.
Plan make_plan(uint64_t seed, size_t steps);
/// One line on what it holds.
std::string describe(const Plan& plan);

}  // namespace millrace::fault
