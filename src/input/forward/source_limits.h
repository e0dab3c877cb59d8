// SPDX-License-Identifier: Apache-2.0
#pragma once

// SourceLimits: what one source, an IPv4 address or the /64 network of an IPv6 one, may do to a
// listener: connections open at the same time, and guesses at a key or password. After a few wrong
// guesses its handshakes get turns, one a second, right or wrong, since an answer that only comes
// late when it is a refusal would slow nobody down. Sources that stop are forgotten within half a
// minute. Belongs to one listener; loop thread.
// Invariant: no more than kGuiltyMax sources are remembered for wrong guesses.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace millrace::input {

class SourceLimits {
 public:
  static constexpr size_t kGuiltyMax = 4096;
  /// Wrong guesses that cost nothing: agents with an old key fail too, and may share an address
  /// with others behind a translator of addresses.
  static constexpr uint64_t kFreeGuesses = 10;
  static constexpr uint64_t kGuessMs = 1000;

  /// `connection_limit` is that of each source, 0: none.
  explicit SourceLimits(uint64_t connection_limit) : connection_limit_(connection_limit) {}

  /// False: the source of `peer`, a numeric address, has as many open as it may.
  bool connect(std::string_view peer);
  /// A connection that connect() let in has gone.
  void disconnect(std::string_view peer);

  /// When a handshake of this source may be judged: `now_ms` if at once. A later time is a turn
  /// that no other handshake gets. Nothing: none is free within `wait_ms_max`.
  std::optional<uint64_t> turn(std::string_view peer, uint64_t now_ms, uint64_t wait_ms_max);
  /// A key or password that was judged without waiting for a turn was wrong.
  void guessed_wrong(std::string_view peer, uint64_t now_ms);

  /// Sources that are remembered for wrong guesses.
  size_t guilty() const { return paid_ms_.size(); }

 private:
  using Source = std::array<uint8_t, 16>;
  static Source source_of(std::string_view peer);
  void forget(uint64_t now_ms);

  uint64_t connection_limit_;
  std::map<Source, uint64_t> open_;     // connections, where there is a limit
  std::map<Source, uint64_t> paid_ms_;  // when all guesses are paid for, kGuessMs each
};

}  // namespace millrace::input
