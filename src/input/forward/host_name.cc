// SPDX-License-Identifier: Apache-2.0
#include "input/forward/host_name.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace millrace::input {
namespace {

struct AddressListDeleter {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

// 0 and the list, or what getaddrinfo says.
int look_up(const std::string& host, int flags, AddressList& list) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status == 0) list.reset(found);
  return status;
}

}  // namespace

Result<std::vector<IpAddress>> addresses_of(const std::string& host) {
  AddressList list;
  const int status = look_up(host, 0, list);
  std::vector<IpAddress> addresses;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      addresses.push_back(
          IpAddress::v4(&reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr));
    } else if (one->ai_family == AF_INET6) {
      addresses.push_back(
          IpAddress::v6(&reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr));
    }
  }
  if (!addresses.empty()) return addresses;
  return fail(ErrorKind::kUnreachable,
              fmt::format("host \"{}\" has no address{}{}", host, status == 0 ? "" : ": ",
                          status == 0 ? "" : ::gai_strerror(status)));
}

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  std::string own = name.data();
  if (own.find('.') != std::string::npos) return own;
  AddressList list;
  if (look_up(own, AI_CANONNAME, list) != 0 || list->ai_canonname == nullptr) return own;
  std::string full = list->ai_canonname;
  // Of a machine that knows no better, the canonical name is that of the loopback device.
  return full.substr(0, own.size() + 1) == own + "." ? full : own;
}

}  // namespace millrace::input
