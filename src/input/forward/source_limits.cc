// SPDX-License-Identifier: Apache-2.0
#include "input/forward/source_limits.h"

#include <algorithm>

#include "base/ip_network.h"

namespace millrace::input {
namespace {

constexpr size_t kNetworkBytes = 8;  // RFC 4291, 2.5.4: who has an IPv6 address has a /64 of them

}  // namespace

SourceLimits::Source SourceLimits::source_of(std::string_view peer) {
  IpAddress address = IpAddress::parse(peer).value_or(IpAddress{});
  if (!address.is_v4()) std::fill(address.bytes.begin() + kNetworkBytes, address.bytes.end(), 0);
  return address.bytes;
}

bool SourceLimits::connect(std::string_view peer) {
  if (connection_limit_ == 0) return true;
  uint64_t& open = open_[source_of(peer)];
  if (open >= connection_limit_) return false;
  ++open;
  return true;
}

void SourceLimits::disconnect(std::string_view peer) {
  if (connection_limit_ == 0) return;
  const auto found = open_.find(source_of(peer));
  if (found != open_.end() && --found->second == 0) open_.erase(found);
}

std::optional<uint64_t> SourceLimits::turn(std::string_view peer, uint64_t now_ms,
                                           uint64_t wait_ms_max) {
  const auto found = paid_ms_.find(source_of(peer));
  if (found == paid_ms_.end()) return now_ms;
  uint64_t& paid_ms = found->second;
  const uint64_t free_until_ms = now_ms + kFreeGuesses * kGuessMs;
  if (paid_ms + kGuessMs <= free_until_ms) return now_ms;
  const uint64_t at_ms = paid_ms - free_until_ms + kGuessMs + now_ms;
  if (at_ms > now_ms + wait_ms_max) return std::nullopt;
  paid_ms += kGuessMs;
  return at_ms;
}

void SourceLimits::guessed_wrong(std::string_view peer, uint64_t now_ms) {
  const Source source = source_of(peer);
  if (paid_ms_.size() >= kGuiltyMax && paid_ms_.count(source) == 0) forget(now_ms);
  uint64_t& paid_ms = paid_ms_[source];
  paid_ms = std::max(paid_ms, now_ms) + kGuessMs;
}

// Makes room for one: those who have paid go, or who is the next to have.
void SourceLimits::forget(uint64_t now_ms) {
  std::erase_if(paid_ms_, [&](const auto& one) { return one.second <= now_ms; });
  if (paid_ms_.size() < kGuiltyMax) return;
  const auto earlier = [](const auto& a, const auto& b) { return a.second < b.second; };
  paid_ms_.erase(std::min_element(paid_ms_.begin(), paid_ms_.end(), earlier));
}

}  // namespace millrace::input
