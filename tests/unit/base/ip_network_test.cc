// SPDX-License-Identifier: Apache-2.0
#include "base/ip_network.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

bool contains(const char* network, const char* address) {
  const auto range = IpNetwork::parse(network);
  const auto one = IpAddress::parse(address);
  EXPECT_TRUE(range.has_value()) << network;
  EXPECT_TRUE(one.has_value()) << address;
  return range && one && range->contains(*one);
}

TEST(IpNetwork, TellsWhatLiesInIt) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("192.168.4.0/22", "192.168.7.255"));
  EXPECT_FALSE(contains("192.168.4.0/22", "192.168.8.0"));
  EXPECT_TRUE(contains("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(contains("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(contains("127.0.0.1/32", "127.0.0.1"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(contains("fd00::/8", "fdff::1"));
  EXPECT_FALSE(contains("fd00::/8", "fe80::1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(contains("::1", "::1"));
}

TEST(IpNetwork, BitsBehindThePrefixDoNotCount) { EXPECT_TRUE(contains("10.1.2.3/8", "10.9.9.9")); }

TEST(IpNetwork, FamiliesAreApart) {
  EXPECT_FALSE(contains("::/0", "10.0.0.1"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  // But a mapped address is the IPv4 address (RFC 4291, 2.5.5.2).
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.0.0.1"));
  EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.1"), IpAddress::parse("10.0.0.1"));
}

TEST(IpNetwork, RefusesWhatIsNone) {
  for (const char* const text :
       {"", "/", "/8", "a", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x",
        "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0/8", "1::2::3", "10.0.0.0/255.0.0.0",
        "10.0.0.0/99999999999"}) {
    EXPECT_FALSE(IpNetwork::parse(text)) << text;
  }
  EXPECT_FALSE(IpNetwork::parse(std::string_view("10.0.0.1\0x", 10)));
}

}  // namespace
}  // namespace millrace
