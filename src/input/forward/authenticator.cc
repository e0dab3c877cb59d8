// SPDX-License-Identifier: Apache-2.0
#include "input/forward/authenticator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "input/forward/host_name.h"

namespace millrace::input {
namespace {

Authenticator::Verdict refuse(CloseReason reason, std::string_view text) {
  return {reason, pong_refused(text)};
}

}  // namespace

HostNames system_host_names() { return {addresses_of, machine_name}; }

Result<std::unique_ptr<Authenticator>> Authenticator::make(config::Security security,
                                                           const HostNames& names) {
  if (security.self_hostname.empty()) security.self_hostname = names.machine_name();
  if (security.self_hostname.empty() || security.self_hostname == "localhost") {
    return fail(ErrorKind::kInvalid,
                fmt::format("the name of this machine is \"{}\", which says nothing to clients; "
                            "set self_hostname in [source.security]",
                            security.self_hostname));
  }
  std::unique_ptr<Authenticator> made(new Authenticator(std::move(security)));
  made->anonymous_.shared_key = made->security_.shared_key;
  for (const config::SecurityClient& client : made->security_.clients) {
    Rule& rule = made->rules_.emplace_back();
    rule.shared_key = client.shared_key.value_or(made->security_.shared_key);
    rule.users = client.users;
    if (client.host.empty()) {
      const auto network = IpNetwork::parse(client.network);
      if (!network) return fail(ErrorKind::kInvalid, "not a network: " + client.network);
      rule.networks.push_back(*network);
      continue;
    }
    const auto addresses = names.addresses_of(client.host);
    if (!addresses) return tl::unexpected(addresses.error());
    for (const IpAddress& address : *addresses) rule.networks.emplace_back(address);
  }
  return made;
}

Authenticator::Verdict Authenticator::judge(const std::optional<Ping>& ping,
                                            const Challenge& challenge,
                                            std::string_view peer) const {
  if (!ping) return refuse(CloseReason::kInvalidPing, "invalid ping message");
  const Rule* const rule = rule_of(peer);
  if (rule == nullptr) {
    return refuse(CloseReason::kAnonymousSource,
                  fmt::format("anonymous source host '{}' denied", peer));
  }
  const std::string expected =
      shared_key_digest(ping->salt, ping->hostname, challenge, rule->shared_key);
  if (!equal_in_constant_time(expected, ping->digest)) {
    return refuse(CloseReason::kSharedKeyMismatch, "shared_key mismatch");
  }
  if (security_.user_auth && !knows_user(*ping, challenge, *rule)) {
    return refuse(CloseReason::kUserMismatch, "username/password mismatch");
  }
  const std::string& own = security_.self_hostname;
  return {std::nullopt,
          pong_accepted(own, shared_key_digest(ping->salt, own, challenge, rule->shared_key))};
}

const Authenticator::Rule* Authenticator::rule_of(std::string_view peer) const {
  if (const auto address = IpAddress::parse(peer)) {
    for (const Rule& rule : rules_) {
      const auto holds_it = [&](const IpNetwork& one) { return one.contains(*address); };
      if (std::any_of(rule.networks.begin(), rule.networks.end(), holds_it)) return &rule;
    }
  }
  return security_.allow_anonymous_source ? &anonymous_ : nullptr;
}

// A name may stand there more than once, with an old and a new password.
bool Authenticator::knows_user(const Ping& ping, const Challenge& challenge,
                               const Rule& rule) const {
  const bool allowed = rule.users.empty() || std::find(rule.users.begin(), rule.users.end(),
                                                       ping.username) != rule.users.end();
  bool known = false;
  for (const config::SecurityUser& user : security_.users) {
    // For every user, so that the time does not tell which names there are.
    const std::string expected = password_digest(challenge, ping.username, user.password);
    const bool fits = equal_in_constant_time(expected, ping.password_digest);
    known |= fits && user.username == ping.username;
  }
  return allowed && known;
}

}  // namespace millrace::input
