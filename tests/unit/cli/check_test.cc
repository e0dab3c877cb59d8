// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "app/exit_code.h"
#include "cli/commands.h"
#include "tests/unit/cli/captured.h"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

Captured checked(const std::string& text) {
  char name[] = "/tmp/millrace_check_XXXXXX";
  const UniqueFd fd(::mkstemp(name));
  std::ofstream(name) << text;
  Arguments arguments;
  arguments.config_path = name;
  Captured result = captured("", [&](int, Output& out) { return check(arguments, out); });
  ::unlink(name);
  for (std::string* where : {&result.out, &result.complaints}) {
    for (size_t at; (at = where->find(name)) != std::string::npos;) {
      where->replace(at, sizeof name - 1, "FILE");
    }
  }
  return result;
}

const std::string kRest = "[[source]]\ntype = \"forward\"\n[[match]]\ntype = \"local\"\n";

TEST(Check, SaysOk) {
  const Captured result =
      checked("[system]\nroot_dir = \"/nonexistent/root\"\n" + kRest + "pattern = \"**\"\n");
  EXPECT_EQ(result.exit_code, app::kExitFine);
  EXPECT_EQ(result.out, "FILE: ok\n");
  EXPECT_EQ(result.complaints, "");
  EXPECT_FALSE(std::filesystem::exists("/nonexistent"));
}

TEST(Check, PrintsWarnings) {
  const Captured result = checked(kRest + "pattern = \"a.**\"\n");
  EXPECT_EQ(result.exit_code, app::kExitFine);
  EXPECT_EQ(result.out, "FILE: ok\n");
  EXPECT_THAT(result.complaints, HasSubstr("FILE:3: warning: no [[match]] takes every tag"));
}

TEST(Check, PrintsErrors) {
  const Captured result = checked(kRest + "pattern = [\"**\", \"a.{b\", \"/re/\"]\nworkers = 1\n");
  EXPECT_EQ(result.exit_code, app::kExitConfig);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.complaints, HasSubstr("FILE:5: pattern \"a.{b\""));
  EXPECT_THAT(result.complaints, HasSubstr("FILE:5: pattern \"/re/\""));
  EXPECT_THAT(result.complaints, HasSubstr("FILE:6: workers is not an option of [[match]]"));
}

TEST(Check, MissingFileIsConfiguration) {
  Arguments arguments;
  arguments.config_path = "/nonexistent/m.toml";
  const Captured result = captured("", [&](int, Output& out) { return check(arguments, out); });
  EXPECT_EQ(result.exit_code, app::kExitConfig);
  EXPECT_THAT(result.complaints, HasSubstr("/nonexistent/m.toml: cannot read it"));
}

TEST(Version, TellsIt) {
  Arguments arguments;
  const auto told = [&] {
    return captured("", [&](int, Output& out) { return version(arguments, out); }).out;
  };
  EXPECT_EQ(told(), "millrace " MILLRACE_VERSION "\n");
  arguments.json = true;
  EXPECT_EQ(told(), "{\"version\":\"" MILLRACE_VERSION "\"}\n");
}

}  // namespace
}  // namespace millrace::cli
