// SPDX-License-Identifier: Apache-2.0
#include "app/left_logs.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/real.h"

namespace millrace::app {
namespace {

void make_log(io::FileSystem& files, const std::string& directory) {
  ASSERT_TRUE(files.make_directories(directory));
  ASSERT_TRUE(files.open(directory + "/chunks.pos", io::OpenMode::kCreate));
}

class LeftLogs : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/left_logs.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    place_ = name;
    config_.system.root_dir = place_ + "/data";
  }
  void TearDown() override { std::filesystem::remove_all(place_); }

  std::string place_;
  io::RealFileSystem files_;
  config::Config config_;
};

TEST_F(LeftLogs, NamesWhatNobodyOpens) {
  config_.matches.resize(2);
  config_.matches[1].buffer.path = place_ + "/elsewhere";
  for (const char* log :
       {"/data/worker0/events/buffer", "/data/worker0/renamed/buffer",
        "/data/worker1/events/buffer", "/elsewhere/worker0", "/elsewhere/worker1"}) {
    make_log(files_, place_ + log);
  }
  ASSERT_TRUE(files_.make_directories(place_ + "/data/output"));
  ASSERT_TRUE(files_.make_directories(place_ + "/data/worker0/empty/buffer"));
  EXPECT_EQ(left_logs(files_, config_,
                      {place_ + "/data/worker0/events/buffer", place_ + "/elsewhere/worker0"}),
            (std::vector<std::string>{place_ + "/data/worker0/renamed/buffer",
                                      place_ + "/data/worker1/events/buffer",
                                      place_ + "/elsewhere/worker1"}));
}

TEST_F(LeftLogs, NothingIsThereAtTheFirstStart) {
  EXPECT_EQ(left_logs(files_, config_, {}), std::vector<std::string>());
}

}  // namespace
}  // namespace millrace::app
