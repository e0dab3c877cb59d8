// SPDX-License-Identifier: Apache-2.0
#include "http/proxy_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::http {
namespace {

TEST(ProxyUrl, TakesWhatAProxyCanBe) {
  for (const char* url :
       {"http://proxy:3128", "https://proxy", "proxy:3128", "http://user:p%40ss@proxy:3128",
        "http://[::1]:3128/", "user:p@ss@proxy"}) {
    EXPECT_TRUE(check_proxy_url(url)) << url;
  }
}

TEST(ProxyUrl, RefusesTheRestWithoutShowingIt) {
  for (const char* url : {"", "http://", "http://:3128", "http://user:s3cret@", "socks5://s3cret",
                          "http://s3 cret", "http://s3cret\r\nX: y", "http:///s3cret"}) {
    const auto result = check_proxy_url(url);
    ASSERT_FALSE(result) << url;
    EXPECT_THAT(result.error().message, ::testing::Not(::testing::HasSubstr("s3")));
    EXPECT_THAT(result.error().message, ::testing::HasSubstr("http_proxy"));
  }
}

TEST(ProxyUrl, LosesUserAndPassword) {
  EXPECT_EQ(without_user("http://user:p@ss@proxy:3128"), "http://proxy:3128");
  EXPECT_EQ(without_user("user@proxy"), "proxy");
  EXPECT_EQ(without_user("http://proxy:3128"), "http://proxy:3128");
}

}  // namespace
}  // namespace millrace::http
