// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ledger: what arrived at the sink: requests, bytes, and one bit for each `seq`, so that a lost or
// doubled event shows. Shared by the sink's threads; every function locks once a request.
// Invariant: distinct <= events; a seq above kSeqMax is counted as a bad record, never as an event.

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::bench {

class Ledger {
 public:
  static constexpr uint64_t kSeqMax = (uint64_t{1} << 33) - 1;  // a bitmap of 1 GiB

  /// `expected`: how many events (seq from 0) will come; 0: up to the highest that came.
  explicit Ledger(uint64_t expected) : expected_(expected) {}

  /// One PutRecord: its body's bytes, the record's bytes (0: not decoded), its seqs, and what was
  /// wrong with it (nullptr: nothing). Returns its number, counted from 1.
  uint64_t put(uint64_t body_bytes, uint64_t data_bytes, const std::vector<uint64_t>& seqs,
               const char* problem);
  /// A request that is no PutRecord.
  void other();

  /// All totals as one JSON object, without a line end.
  std::string json(std::string_view verify) const;

 private:
  mutable std::mutex mutex_;
  uint64_t expected_;
  uint64_t requests_ = 0;
  uint64_t other_requests_ = 0;
  uint64_t bad_requests_ = 0;
  uint64_t body_bytes_ = 0;
  uint64_t data_bytes_ = 0;
  uint64_t data_bytes_max_ = 0;
  uint64_t events_ = 0;
  uint64_t distinct_ = 0;
  uint64_t seq_end_ = 0;  // highest that came + 1
  std::string first_problem_;
  std::vector<uint64_t> bits_;
};

}  // namespace millrace::bench
