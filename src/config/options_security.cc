// SPDX-License-Identifier: Apache-2.0
// Names and meaning: Fluentd's in_forward, <security>, <user> and <client>.

#include "config/complaint.h"
#include "config/model.h"
#include "config/options.h"

namespace millrace::config {
namespace {

constexpr Option kSecurity[] = {
    {.name = "shared_key",
     .type = Type::kString,
     .example = "${FORWARD_SHARED_KEY}",
     .max = 1024,
     .required = true,
     .secret = true,
     .help = "What client and server both have to know. A file that holds it must not be readable "
             "by everybody (chmod 0640).",
     .set = set_member<Security, &Security::shared_key>},
    {.name = "self_hostname",
     .type = Type::kString,
     .example = "aggregator.example",
     .min = 1,
     .max = 253,
     .complaint = self_hostname_complaint,
     .help = "The name told to clients; Fluentd refuses a server that has its own name. Without "
             "it: the full name of this machine.",
     .set = set_member<Security, &Security::self_hostname>},
    {.name = "user_auth",
     .type = Type::kBoolean,
     .default_text = "false",
     .help = "Also asks for a user name and password, those of a [[source.security.user]].",
     .set = set_member<Security, &Security::user_auth>},
    {.name = "allow_anonymous_source",
     .type = Type::kBoolean,
     .default_text = "true",
     .help = "Whether a client may connect that no [[source.security.client]] names.",
     .set = set_member<Security, &Security::allow_anonymous_source>},
    {.name = "handshake_timeout",
     .type = Type::kDuration,
     .default_text = "10s",
     .min = 1000,
     .max = 60'000,
     .help =
         "How long a client may take for the whole handshake. After ten wrong keys or passwords "
         "from one address (of IPv6: one /64 network) one a second of its handshakes is "
         "judged, and those whose turn would not come in this time are closed.",
     .set = set_member<Security, &Security::handshake_timeout_ms>},
};

constexpr Option kUser[] = {
    {.name = "username",
     .type = Type::kString,
     .example = "alice",
     .min = 1,
     .max = 256,
     .required = true,
     .help = "A user who may send, if user_auth is on.",
     .set = set_member<SecurityUser, &SecurityUser::username>},
    {.name = "password",
     .type = Type::kString,
     .example = "${ALICE_PASSWORD}",
     .min = 1,
     .max = 1024,
     .required = true,
     .secret = true,
     .help = "The user's password.",
     .set = set_member<SecurityUser, &SecurityUser::password>},
};

constexpr Option kClient[] = {
    {.name = "network",
     .type = Type::kString,
     .example = "10.0.0.0/8",
     .min = 1,
     .max = 64,
     .complaint = network_complaint,
     .help = "The addresses that this is about. The first [[source.security.client]] that fits a "
             "client's address counts.",
     .set = set_member<SecurityClient, &SecurityClient::network>},
    {.name = "host",
     .type = Type::kString,
     .example = "edge.example",
     .min = 1,
     .max = 253,
     .complaint = host_complaint,
     .help = "Instead of network: a name or an address. A name is looked up once, at start.",
     .set = set_member<SecurityClient, &SecurityClient::host>},
    {.name = "shared_key",
     .type = Type::kString,
     .example = "${EDGE_SHARED_KEY}",
     .max = 1024,
     .secret = true,
     .help = "The key of these clients, instead of that of [source.security].",
     .set =
         [](void* object, const Value& value) {
           static_cast<SecurityClient*>(object)->shared_key = std::get<std::string>(value);
         }},
    {.name = "users",
     .type = Type::kStrings,
     .example = "alice",
     .min = 1,
     .max = 256,
     .help = "The users that may send from there. Without it: all.",
     .set = set_member<SecurityClient, &SecurityClient::users>},
};

}  // namespace

std::span<const Option> security_options() { return kSecurity; }
std::span<const Option> security_user_options() { return kUser; }
std::span<const Option> security_client_options() { return kClient; }

void* open_security(void* source) {
  return &static_cast<ForwardSource*>(source)->security.emplace();
}

void* open_security_user(void* security) {
  return &static_cast<Security*>(security)->users.emplace_back();
}

void* open_security_client(void* security) {
  return &static_cast<Security*>(security)->clients.emplace_back();
}

}  // namespace millrace::config
