// SPDX-License-Identifier: Apache-2.0
#include "config/validate_security.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "config/near_match.h"

namespace millrace::config {
namespace {

class SecurityValidator {
 public:
  SecurityValidator(const ForwardSource& source, const Origin& origin, Report& report)
      : source_(source), security_(*source.security), origin_(origin), report_(report) {}

  void run() {
    if (source_.json && origin_.has("json")) {
      report_.warning(origin_.of("json"), "json has no effect",
                      "with [source.security] only MessagePack is taken");
    }
    if (security_.shared_key.empty() && !security_.user_auth &&
        origin_.has("security.shared_key")) {
      report_.warning(origin_.of("security.shared_key"),
                      "shared_key is empty, so every client has it", "user_auth = true asks more");
    }
    check_users();
    check_clients();
  }

 private:
  void check_users() {
    if (security_.user_auth && security_.users.empty()) {
      report_.error(origin_.of("security.user_auth"), "user_auth is on and there is no user",
                    "[[source.security.user]] with username and password adds one");
    }
    if (!security_.user_auth && !security_.users.empty()) {
      report_.warning(origin_.of("security.user.0"), "nobody is asked for a user name",
                      "user_auth = true in [source.security] does it");
    }
  }

  void check_clients() {
    if (!security_.allow_anonymous_source && security_.clients.empty()) {
      report_.error(origin_.of("security.allow_anonymous_source"),
                    "allow_anonymous_source is off and there is no client",
                    "[[source.security.client]] with network or host adds one");
    }
    for (size_t i = 0; i < security_.clients.size(); ++i) {
      check_client(security_.clients[i], fmt::format("security.client.{}", i));
    }
  }

  void check_client(const SecurityClient& client, const std::string& name) {
    const bool host = origin_.has(name + ".host");
    if (host == origin_.has(name + ".network")) {
      report_.error(host ? origin_.of(name + ".host") : origin_.of(name),
                    host ? "[[source.security.client]] has both network and host"
                         : "[[source.security.client]] has neither network nor host",
                    "network = \"10.0.0.0/8\" or host = \"edge.example\" tells who it is about");
    }
    if (client.users.empty()) return;
    const Place& place = origin_.of(name + ".users");
    if (!security_.user_auth) {
      report_.warning(place, "users has no effect",
                      "user_auth = true in [source.security] asks for user names");
    }
    for (const std::string& user : client.users) check_user_name(user, place);
  }

  void check_user_name(const std::string& user, const Place& place) {
    std::vector<std::string> known;
    for (const SecurityUser& one : security_.users) known.push_back(one.username);
    if (std::find(known.begin(), known.end(), user) != known.end()) return;
    const std::string near = near_match(user, known);
    report_.error(
        place, fmt::format("there is no user \"{}\"", user),
        near.empty() ? "[[source.security.user]] adds one" : fmt::format("is \"{}\" meant?", near));
  }

  const ForwardSource& source_;
  const Security& security_;
  const Origin& origin_;
  Report& report_;
};

}  // namespace

void validate_security(const ForwardSource& source, const Origin& origin, Report& report) {
  SecurityValidator(source, origin, report).run();
}

}  // namespace millrace::config
