// SPDX-License-Identifier: Apache-2.0
#include "bench/load/ledger.h"

#include <fmt/core.h>

#include <algorithm>

namespace millrace::bench {

uint64_t Ledger::put(uint64_t body_bytes, uint64_t data_bytes, const std::vector<uint64_t>& seqs,
                     const char* problem) {
  const std::lock_guard lock(mutex_);
  ++requests_;
  body_bytes_ += body_bytes;
  data_bytes_ += data_bytes;
  data_bytes_max_ = std::max(data_bytes_max_, data_bytes);
  for (const uint64_t seq : seqs) {
    if (seq > kSeqMax) {
      problem = "a seq beyond the ledger";
      continue;
    }
    const auto word = static_cast<size_t>(seq / 64);
    if (word >= bits_.size()) bits_.resize(std::max(word + 1, bits_.size() * 2));
    const uint64_t bit = uint64_t{1} << (seq % 64);
    if ((bits_[word] & bit) == 0) ++distinct_;
    bits_[word] |= bit;
    ++events_;
    seq_end_ = std::max(seq_end_, seq + 1);
  }
  if (problem != nullptr) {
    ++bad_requests_;
    if (first_problem_.empty()) first_problem_ = problem;
  }
  return requests_;
}

void Ledger::other() {
  const std::lock_guard lock(mutex_);
  ++other_requests_;
}

std::string Ledger::json(std::string_view verify) const {
  const std::lock_guard lock(mutex_);
  const uint64_t expected = std::max(expected_, seq_end_);
  return fmt::format(
      R"({{"verify":"{}","requests":{},"bad_requests":{},"other_requests":{},"body_bytes":{},)"
      R"("data_bytes":{},"data_bytes_max":{},"events":{},"distinct":{},"doubled":{},)"
      R"("missing":{},"first_problem":"{}"}})",
      verify, requests_, bad_requests_, other_requests_, body_bytes_, data_bytes_, data_bytes_max_,
      events_, distinct_, events_ - distinct_, expected - distinct_, first_problem_);
}

}  // namespace millrace::bench
