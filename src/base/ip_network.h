// SPDX-License-Identifier: Apache-2.0
#pragma once

// IpAddress and IpNetwork: numeric addresses of both families, and whether one lies in a range. An
// IPv4 address written as ::ffff:a.b.c.d is the IPv4 address. Looks up no names. Values; any
// thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // of an IPv4 one: ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)

  /// Nothing if `text` is not a numeric address.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(const void* four_bytes);
  static IpAddress v6(const void* sixteen_bytes);

  bool is_v4() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

class IpNetwork {
 public:
  /// "10.0.0.0/8", "fd00::/8", or an address, which stands for itself (RFC 4632). Bits behind the
  /// prefix do not count.
  static std::optional<IpNetwork> parse(std::string_view text);
  explicit IpNetwork(const IpAddress& only) : IpNetwork(only, 128) {}

  /// An IPv4 address is in no IPv6 network, not even in ::/0.
  bool contains(const IpAddress& address) const;

 private:
  IpNetwork(const IpAddress& address, unsigned prefix_bits)
      : address_(address), prefix_bits_(prefix_bits) {}

  IpAddress address_;
  unsigned prefix_bits_;  // of 128
};

}  // namespace millrace
