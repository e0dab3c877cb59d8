// SPDX-License-Identifier: Apache-2.0
#include "aws/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::aws {
namespace {

TEST(Endpoint, FollowsThePartition) {
  const auto host = [](const char* region) { return regional_endpoint("kinesis", region).host; };
  EXPECT_EQ(host("eu-west-1"), "kinesis.eu-west-1.amazonaws.com");
  EXPECT_EQ(host("us-gov-west-1"), "kinesis.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(host("cn-north-1"), "kinesis.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(host("eusc-de-east-1"), "kinesis.eusc-de-east-1.amazonaws.eu");
  EXPECT_EQ(host("us-iso-east-1"), "kinesis.us-iso-east-1.c2s.ic.gov");
  EXPECT_EQ(host("us-isob-east-1"), "kinesis.us-isob-east-1.sc2s.sgov.gov");
  EXPECT_EQ(host("us-isof-south-1"), "kinesis.us-isof-south-1.csp.hci.ic.gov");
  EXPECT_EQ(host("eu-isoe-west-1"), "kinesis.eu-isoe-west-1.cloud.adc-e.uk");
  EXPECT_EQ(host("mars-north-1"), "kinesis.mars-north-1.amazonaws.com");
  EXPECT_EQ(regional_endpoint("kinesis", "eu-west-1").url,
            "https://kinesis.eu-west-1.amazonaws.com/");
}

TEST(Endpoint, RegionFromConfigurationOrEnvironment) {
  const Environment both = [](const char* name) {
    return std::string(name) == "AWS_REGION" ? "eu-central-1" : "eu-north-1";
  };
  const Environment fallback = [](const char* name) {
    return std::string(name) == "AWS_DEFAULT_REGION" ? "eu-north-1" : "";
  };
  const Environment none = [](const char*) { return std::string(); };
  EXPECT_EQ(find_region("us-east-1", both).value(), "us-east-1");
  EXPECT_EQ(find_region("", both).value(), "eu-central-1");
  EXPECT_EQ(find_region("", fallback).value(), "eu-north-1");
  EXPECT_THAT(find_region("", none).error().message, ::testing::HasSubstr("AWS_REGION"));
  for (const char* bad :
       {"eu west", "EU-WEST-1", "evil.example/", "-eu", "eu-", "a@b", "e\xc3\xa9"}) {
    EXPECT_FALSE(find_region(bad, none)) << bad;
  }
}

TEST(Endpoint, CustomUrl) {
  const auto check = [](const char* url, const char* full, const char* host) {
    const auto endpoint = custom_endpoint(url);
    ASSERT_TRUE(endpoint) << url << ": " << endpoint.error().message;
    EXPECT_EQ(endpoint->url, full);
    EXPECT_EQ(endpoint->host, host);
  };
  check("http://127.0.0.1:4567", "http://127.0.0.1:4567/", "127.0.0.1:4567");
  check("http://127.0.0.1:4567/", "http://127.0.0.1:4567/", "127.0.0.1:4567");
  check("https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com",
        "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com/",
        "vpce-1.kinesis.eu-west-1.vpce.amazonaws.com");
  check("https://Host_1:443", "https://Host_1/", "Host_1");
  check("http://h:80", "http://h/", "h");
  check("http://h:443", "http://h:443/", "h:443");
  check("https://[::1]:4567", "https://[::1]:4567/", "[::1]:4567");
  check("http://[fe80::1]", "http://[fe80::1]/", "[fe80::1]");
}

TEST(Endpoint, RefusesOtherUrls) {
  for (const char* url : {"",
                          "127.0.0.1:4567",
                          "ftp://h",
                          "http://",
                          "http:///",
                          "http://:80",
                          "http://h:",
                          "http://h:0",
                          "http://h:65536",
                          "http://h:80x",
                          "http://h/path",
                          "http://h?x",
                          "http://h#x",
                          "http://user:pw@h",
                          "http://h h",
                          "http://h\r\nX: y",
                          "http://[::1",
                          "http://[]:1",
                          "http://::1",
                          "http://[::1]x:80",
                          "HTTP://h"}) {
    EXPECT_FALSE(custom_endpoint(url)) << url;
  }
}

}  // namespace
}  // namespace millrace::aws
