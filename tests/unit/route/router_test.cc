// SPDX-License-Identifier: Apache-2.0
#include "route/router.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace millrace::route {
namespace {

Router make(const std::vector<Rule>& rules) {
  Result<Router> router = Router::make(rules);
  EXPECT_TRUE(router);
  return std::move(*router);
}

TEST(Router, TheFirstRuleThatFitsWins) {
  Router router = make({{{"app.web", "sys.*"}, 3}, {{"app.**"}, 5}, {{"app.db"}, 7}});
  EXPECT_EQ(router.route("app.web"), 3);
  EXPECT_EQ(router.route("sys.kernel"), 3);
  EXPECT_EQ(router.route("app.db"), 5);
  EXPECT_EQ(router.route("app"), 5);
}

TEST(Router, ATagThatNoRuleTakesHasNoOutput) {
  Router router = make({{{"app.**"}, 0}});
  EXPECT_EQ(router.route("other"), Router::kNoOutput);
  EXPECT_EQ(router.route(""), Router::kNoOutput);
  Router empty = make({});
  EXPECT_EQ(empty.route("app"), Router::kNoOutput);
}

TEST(Router, TakesListsInOneString) {
  Router router = make({{{"a.** b.**"}, 1}, {{"**"}, 2}});
  EXPECT_EQ(router.route("b.c"), 1);
  EXPECT_EQ(router.route("c"), 2);
}

TEST(Router, RefusesABadPattern) {
  const Result<Router> router = Router::make({{{"a", "{b"}, 1}});
  ASSERT_FALSE(router);
  EXPECT_NE(router.error().message.find("\"{b\""), std::string::npos);
}

TEST(Router, AnswersAreTheSameWhenTheyAreKept) {
  Router router = make({{{"even.**"}, 0}, {{"odd.**"}, 1}});
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 3 * Router::kCachedTagsMax; ++i) {
      const std::string number = std::to_string(i * 7 % 2500);
      const std::string tag = (i % 3 == 0 ? "even." : i % 3 == 1 ? "odd." : "none.") + number;
      ASSERT_EQ(router.route(tag), i % 3 == 2 ? Router::kNoOutput : static_cast<int>(i % 3));
      ASSERT_EQ(router.route(tag), i % 3 == 2 ? Router::kNoOutput : static_cast<int>(i % 3));
    }
  }
}

TEST(Router, KeepsWorkingAfterItWasMoved) {
  Router first = make({{{"a"}, 1}, {{"**"}, 2}});
  EXPECT_EQ(first.route("a"), 1);
  EXPECT_EQ(first.route("b"), 2);
  Router second = std::move(first);
  EXPECT_EQ(second.route("a"), 1);
  EXPECT_EQ(second.route("b"), 2);
  for (size_t i = 0; i < 2 * Router::kCachedTagsMax; ++i) {
    EXPECT_EQ(second.route(std::to_string(i)), 2);
  }
}

TEST(Router, LongTagsAreRoutedToo) {
  Router router = make({{{"a.**"}, 1}});
  const std::string tag = "a." + std::string(64 << 10, 'x');
  EXPECT_EQ(router.route(tag), 1);
  EXPECT_EQ(router.route(tag), 1);
  EXPECT_EQ(router.route(std::string_view(tag).substr(1)), Router::kNoOutput);
}

}  // namespace
}  // namespace millrace::route
