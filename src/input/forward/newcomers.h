// SPDX-License-Identifier: Apache-2.0
#pragma once

// Newcomers: the connections of one listener that have shown nothing yet: no handshake passed where
// one is asked for, no message elsewhere. When connection_limit is reached the oldest of them makes
// room for the next client, those that have not sent a byte first. Whoever is waited for by an
// agent is no newcomer and is never closed for others. Belongs to one listener; loop thread.

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

namespace millrace::input {

class Newcomers {
 public:
  void add(uint64_t connection) { waiting_.emplace(kSilent, connection); }
  /// It has sent something.
  void heard(uint64_t connection) {
    if (waiting_.erase({kSilent, connection}) > 0) waiting_.emplace(kHeard, connection);
  }
  /// It has shown what was asked for, or has gone.
  void remove(uint64_t connection) {
    waiting_.erase({kSilent, connection});
    waiting_.erase({kHeard, connection});
  }
  /// Who has to go first. Ids grow with time.
  std::optional<uint64_t> first() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.begin()->second;
  }

 private:
  enum Word : uint8_t { kSilent, kHeard };
  std::set<std::pair<Word, uint64_t>> waiting_;
};

}  // namespace millrace::input
