// SPDX-License-Identifier: Apache-2.0
#include "config/option.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "config/model.h"
#include "config/value_reader.h"

namespace millrace::config {
namespace {

TEST(Option, DefaultsOfTheTableAreThoseOfTheModel) {
  System system;
  ForwardSource source;
  Security security;
  Match match;
  Secondary secondary;
  const std::map<std::string, void*> objects = {{"system", &system},
                                                {"source", &source},
                                                {"source.security", &security},
                                                {"match", &match},
                                                {"match.secondary", &secondary}};
  for (const Section& section : sections()) {
    std::string path = section.path;
    if (objects.count(path) == 0) path = path.substr(0, path.find('.'));
    for (const Option& option : section.options) {
      if (option.default_text[0] == '\0') continue;
      const auto value = value_from_text(option, option.default_text);
      ASSERT_TRUE(value) << section.path << "." << option.name;
      option.set(objects.at(path), *value);
    }
  }
  EXPECT_EQ(system, System{});
  EXPECT_EQ(source, ForwardSource{});
  EXPECT_EQ(security, Security{});
  EXPECT_EQ(match, Match{});
  EXPECT_EQ(secondary, Secondary{});
}

TEST(Option, DefaultsAndExamplesKeepToTheBounds) {
  for (const Section& section : sections()) {
    for (const Option& option : section.options) {
      const std::string name = std::string(section.path) + "." + option.name;
      const std::string text =
          option.default_text[0] != '\0' ? option.default_text : option.example;
      ASSERT_FALSE(text.empty()) << name;
      EXPECT_EQ(option.default_text[0] != '\0' && option.required, false) << name;
      const auto value = value_from_text(option, text);
      ASSERT_TRUE(value) << name;
      if (const auto* number = std::get_if<uint64_t>(&*value)) {
        EXPECT_GE(*number, option.min) << name;
        EXPECT_LE(*number, option.max) << name;
      }
      EXPECT_TRUE(option.complaint == nullptr || option.complaint(text) == nullptr) << name;
    }
  }
}

TEST(Option, EveryOptionIsToldToAnOperator) {
  std::set<std::string> names;
  for (const Section& section : sections()) {
    for (const Option& option : section.options) {
      const std::string name = std::string(section.path) + section.type + "." + option.name;
      EXPECT_TRUE(names.insert(name).second) << name;
      const std::string help = option.help;
      EXPECT_EQ(help.back(), '.') << name;
      EXPECT_LE(help.size(), 240U) << name;
      EXPECT_EQ(option.type == Type::kEnum, !option.words.empty()) << name;
      EXPECT_FALSE(allowed_text(option).empty()) << name;
    }
  }
  EXPECT_GT(names.size(), 55U);
}

TEST(Option, EnumsTakeBothSpellings) {
  for (const Section& section : sections()) {
    for (const Option& option : section.options) {
      if (std::string(section.path) != "match" || std::string(option.name) != "type") continue;
      EXPECT_EQ(value_from_text(option, "kinesis_aggregation"), Value(uint64_t{0}));
      EXPECT_EQ(value_from_text(option, "kinesis-aggregation"), Value(uint64_t{0}));
      EXPECT_EQ(value_from_text(option, "local"), Value(uint64_t{1}));
      EXPECT_FALSE(value_from_text(option, "kinesis"));
      return;
    }
  }
  FAIL() << "[[match]] has no type";
}

}  // namespace
}  // namespace millrace::config
