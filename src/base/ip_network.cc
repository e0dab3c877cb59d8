// SPDX-License-Identifier: Apache-2.0
#include "base/ip_network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace millrace {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;
constexpr unsigned kAddressBits = 128;

}  // namespace

IpAddress IpAddress::v4(const void* four_bytes) {
  IpAddress address;
  std::copy(kMapped.begin(), kMapped.end(), address.bytes.begin());
  std::memcpy(address.bytes.data() + kMapped.size(), four_bytes, 4);
  return address;
}

IpAddress IpAddress::v6(const void* sixteen_bytes) {
  IpAddress address;
  std::memcpy(address.bytes.data(), sixteen_bytes, address.bytes.size());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  in_addr four{};
  in6_addr six{};
  if (inet_pton(AF_INET, terminated.c_str(), &four) == 1) return v4(&four);
  if (inet_pton(AF_INET6, terminated.c_str(), &six) == 1) return v6(&six);
  return std::nullopt;
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()); }

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpNetwork(*address);
  const bool four = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned base = four ? kMappedBits : 0;
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || rest != digits.data() + digits.size() || bits > kAddressBits - base) {
    return std::nullopt;
  }
  return IpNetwork(*address, base + bits);
}

bool IpNetwork::contains(const IpAddress& address) const {
  const bool four = address_.is_v4() && prefix_bits_ >= kMappedBits;
  if (four != address.is_v4()) return false;
  const size_t whole = prefix_bits_ / 8;
  const auto& mine = address_.bytes;
  if (!std::equal(mine.begin(), mine.begin() + static_cast<ptrdiff_t>(whole),
                  address.bytes.begin())) {
    return false;
  }
  const unsigned left = prefix_bits_ % 8;
  if (left == 0) return true;
  const unsigned mask = 0xffU << (8 - left) & 0xffU;
  return (mine[whole] & mask) == (address.bytes[whole] & mask);
}

}  // namespace millrace
