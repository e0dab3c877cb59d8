// SPDX-License-Identifier: Apache-2.0
#include "app/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace millrace::app {
namespace {

config::Config config_of(uint32_t workers, std::initializer_list<uint64_t> connection_limits) {
  config::Config config;
  config.system.workers = workers;
  config.matches.resize(1);
  for (const uint64_t limit : connection_limits) {
    config.sources.emplace_back().connection_limit = limit;
  }
  return config;
}

TEST(OpenFiles, EnoughOfThemChangeNothing) {
  const config::Config config = config_of(2, {10'000});
  EXPECT_EQ(fit_connections(config, 65'536), config);
}

TEST(OpenFiles, ConnectionsLeaveWhatTheOthersNeed) {
  const config::Config config = fit_connections(config_of(1, {10'000}), 1024);
  EXPECT_LT(config.sources[0].connection_limit, 1024u - 128u);
  EXPECT_GT(config.sources[0].connection_limit, 700u);
}

TEST(OpenFiles, SourcesShareThem) {
  const config::Config config = fit_connections(config_of(1, {10'000, 100}), 1024);
  EXPECT_LT(config.sources[0].connection_limit, 1024u / 2);
  EXPECT_EQ(config.sources[1].connection_limit, 100u);
}

TEST(OpenFiles, ThereIsAlwaysOneConnection) {
  EXPECT_EQ(fit_connections(config_of(8, {10'000}), 64).sources[0].connection_limit, 1u);
}

TEST(OpenFiles, TheLimitIsRaisedToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit lowered = before;
  lowered.rlim_cur = std::min<rlim_t>(64, before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
  EXPECT_EQ(raise_open_files(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
}

}  // namespace
}  // namespace millrace::app
