// SPDX-License-Identifier: Apache-2.0
#pragma once

// Authenticator: the security of one [[source]] as its connections use it: who may connect, with
// which key, as which user. Names of hosts are looked up once, when it is made. Judges a PING;
// holds nothing of a connection. Constant after make(); any thread. Invariant: no verdict, log line
// or error holds a key, a password or a digest of the client.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_network.h"
#include "base/result.h"
#include "config/model.h"
#include "input/forward/close_reason.h"
#include "input/forward/handshake_message.h"

namespace millrace::input {

/// Where names come from; tests have their own.
struct HostNames {
  std::function<Result<std::vector<IpAddress>>(const std::string& host)> addresses_of;
  std::function<std::string()> machine_name;
};
HostNames system_host_names();

class Authenticator {
 public:
  /// kUnreachable: a host has no address. kInvalid: this machine has no name to tell to clients.
  static Result<std::unique_ptr<Authenticator>> make(config::Security security,
                                                     const HostNames& names);

  struct Verdict {
    std::optional<CloseReason> refused;
    std::string pong;  // the answer, also of a refusal
  };
  /// `ping` is nothing if what came was no PING. `peer` is the peer's numeric address. Order and
  /// reasons are those of Fluentd (lib/fluent/plugin/in_forward.rb, check_ping), which operators
  /// look for in their logs.
  Verdict judge(const std::optional<Ping>& ping, const Challenge& challenge,
                std::string_view peer) const;

 private:
  struct Rule {
    std::vector<IpNetwork> networks;
    std::string shared_key;
    std::vector<std::string> users;  // empty: all
  };

  explicit Authenticator(config::Security security) : security_(std::move(security)) {}
  const Rule* rule_of(std::string_view peer) const;
  bool knows_user(const Ping& ping, const Challenge& challenge, const Rule& rule) const;

  config::Security security_;  // self_hostname is set
  std::vector<Rule> rules_;    // of the clients, in the file's order
  Rule anonymous_;             // of peers that no other rule names
};

}  // namespace millrace::input
