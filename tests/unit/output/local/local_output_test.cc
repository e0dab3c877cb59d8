// SPDX-License-Identifier: Apache-2.0
#include "output/local/local_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/encoding.h"
#include "output/local/local_stream.h"

namespace millrace::output {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LocalOutput : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/millrace_local_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    system_.root_dir = root_;
  }
  void TearDown() override { fs::remove_all(root_); }

  std::unique_ptr<Output> open() {
    auto made = make_local_output(match_, system_);
    if (!made) ADD_FAILURE() << made.error().message;
    return made ? std::move(*made) : nullptr;
  }

  static PutResult put(Sender& sender, std::string_view key, std::string_view record) {
    Delivery delivery;
    delivery.partition_key = key;
    delivery.record = record;
    return sender.put(delivery);
  }

  std::string folder() const { return root_ + "/output"; }
  std::string file(int number) const {
    char name[32];
    std::snprintf(name, sizeof name, "/local.%08d.jsonl", number);
    return folder() + name;
  }

  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  // All records of the stream, in the order of files and lines.
  std::vector<nlohmann::json> records() const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(folder())) {
      paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    std::vector<nlohmann::json> all;
    for (const std::string& path : paths) {
      std::ifstream in(path);
      for (std::string line; std::getline(in, line);) {
        all.push_back(nlohmann::json::parse(line));
      }
    }
    return all;
  }

  static void expect_rising(const std::vector<nlohmann::json>& all) {
    std::string last;
    for (const auto& record : all) {
      const auto sequence = record.at("SequenceNumber").get<std::string>();
      EXPECT_EQ(sequence.size(), 19u);
      EXPECT_GT(sequence, last);
      last = sequence;
    }
  }

  std::string root_;
  config::System system_;
  config::Match match_;
};

TEST_F(LocalOutput, WritesLinesInTheShapeOfGetRecords) {
  const auto output = open();
  EXPECT_EQ(output->target(), "files in " + folder());
  const auto sender = output->make_sender();
  const std::string record(
      "\x00\xff\xf3"
      "bytes",
      8);
  const PutResult result = put(*sender, "key \"1\"\n", record);
  ASSERT_EQ(result.outcome, Outcome::kCommitted) << result.detail;
  EXPECT_EQ(put(*sender, "2", "").outcome, Outcome::kCommitted);

  const std::string text = read(file(1));
  EXPECT_THAT(text, ::testing::StartsWith(R"({"SequenceNumber":"1000000000000000001",)"
                                          R"("ApproximateArrivalTimestamp":)"));
  const auto all = records();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].size(), 4u);
  EXPECT_EQ(all[0].at("SequenceNumber"), result.detail);
  EXPECT_EQ(all[0].at("PartitionKey"), "key \"1\"\n");
  EXPECT_EQ(base64_decode(all[0].at("Data").get<std::string>()), record);
  EXPECT_GT(all[0].at("ApproximateArrivalTimestamp").get<double>(), 1.7e9);
  EXPECT_EQ(all[1].at("Data"), "");
  expect_rising(all);

  struct stat status = {};
  ASSERT_EQ(::stat(folder().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777 & ~0750u, 0u);
  ASSERT_EQ(::stat(file(1).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777 & ~0640u, 0u);
}

TEST_F(LocalOutput, MakesParentsOfAConfiguredPath) {
  match_.local.path = root_ + "/a/b/c//";
  const auto output = open();
  EXPECT_EQ(put(*output->make_sender(), "k", "r").outcome, Outcome::kCommitted);
  EXPECT_TRUE(fs::exists(root_ + "/a/b/c/local.00000001.jsonl"));
}

TEST_F(LocalOutput, GoesOnInTheNewestFileWithHigherNumbers) {
  for (int start = 0; start < 3; ++start) {
    const auto output = open();
    ASSERT_EQ(put(*output->make_sender(), "k", "r").outcome, Outcome::kCommitted);
  }
  EXPECT_EQ(records().size(), 3u);
  expect_rising(records());
  EXPECT_FALSE(fs::exists(file(2)));
}

TEST_F(LocalOutput, RotatesBeforeAFileGrowsTooLarge) {
  match_.local.rotate_size = 1000;
  const std::string record(200, 'x');  // about 380 bytes as a line: two a file
  {
    const auto output = open();
    const auto sender = output->make_sender();
    for (int i = 0; i < 7; ++i) {
      ASSERT_EQ(put(*sender, "k", record).outcome, Outcome::kCommitted);
    }
    ASSERT_EQ(put(*sender, "k", std::string(5000, 'y')).outcome, Outcome::kCommitted);
    ASSERT_EQ(put(*sender, "k", record).outcome, Outcome::kCommitted);
  }
  for (int number = 1; number <= 6; ++number) {
    ASSERT_TRUE(fs::exists(file(number))) << number;
    if (number == 5) continue;
    EXPECT_LE(fs::file_size(file(number)), 1000u) << number;
  }
  EXPECT_GT(fs::file_size(file(5)), 5000u) << "a long line has a file of its own";
  EXPECT_EQ(records().size(), 9u);
  expect_rising(records());
}

TEST_F(LocalOutput, FindsItsPlaceWhenTheNewestFileIsEmpty) {
  {
    const auto output = open();
    ASSERT_EQ(put(*output->make_sender(), "k", "r").outcome, Outcome::kCommitted);
  }
  write(file(2), "");
  write(file(3), "{\"Sequ");  // torn: nothing whole in it
  write(folder() + "/notes.txt", "not ours");
  write(folder() + "/local.x.jsonl", "nor this");
  {
    const auto output = open();
    ASSERT_EQ(put(*output->make_sender(), "k", "s").outcome, Outcome::kCommitted);
  }
  EXPECT_THAT(read(file(3)), ::testing::StartsWith(R"({"SequenceNumber":"1000000000000000002")"));
  EXPECT_EQ(read(folder() + "/notes.txt"), "not ours");
}

TEST_F(LocalOutput, CutsATornLineOffWhateverItsLength) {
  size_t cases = 0;
  for (const size_t torn : {1u, 100u, 65535u, 65536u, 65537u, 300000u}) {
    fs::remove_all(folder());
    {
      const auto output = open();
      const auto sender = output->make_sender();
      ASSERT_EQ(put(*sender, "k", std::string(torn, 'a')).outcome, Outcome::kCommitted);
      ASSERT_EQ(put(*sender, "k", std::string(torn, 'b')).outcome, Outcome::kCommitted);
    }
    const std::string whole = read(file(1));
    write(file(1), whole + std::string(torn, '\0'));
    {
      const auto output = open();
      EXPECT_TRUE(read(file(1)) == whole);
      ASSERT_EQ(put(*output->make_sender(), "k", "c").outcome, Outcome::kCommitted);
    }
    EXPECT_EQ(records().size(), 3u);
    expect_rising(records());
    ++cases;
  }
  EXPECT_EQ(cases, 6u);
}

TEST_F(LocalOutput, RefusesAFileThatIsNotItsOwn) {
  fs::create_directories(folder());
  for (const char* text : {"hello\n", "{\"SequenceNumber\":\"5\"}\n", "\n",
                           "{\"SequenceNumber\":\"1000000000000000001x\n"}) {
    write(file(7), std::string(text) + "torn");
    const auto made = make_local_output(match_, system_);
    ASSERT_FALSE(made) << text;
    EXPECT_EQ(made.error().kind, ErrorKind::kCorrupt);
    EXPECT_THAT(made.error().message, HasSubstr(file(7)));
    EXPECT_EQ(read(file(7)), std::string(text) + "torn") << "nothing is changed";
  }
}

TEST_F(LocalOutput, TwoOutputsCannotShareADirectory) {
  const auto output = open();
  const auto second = make_local_output(match_, system_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kLocked);
  EXPECT_THAT(second.error().message, HasSubstr(folder()));
}

TEST_F(LocalOutput, SaysWhyADirectoryCannotBeUsed) {
  write(root_ + "/plain", "");
  match_.local.path = root_ + "/plain";
  EXPECT_THAT(make_local_output(match_, system_).error().message, HasSubstr("/plain"));
  match_.local.path = root_ + "/plain/below";
  EXPECT_THAT(make_local_output(match_, system_).error().message, HasSubstr("/plain"));
  match_.local.path = "/proc/millrace";
  EXPECT_FALSE(make_local_output(match_, system_));
}

// A disk that takes only a part of a line: the rest of the file stays whole, and so does what
// follows. RLIMIT_FSIZE stands in for the full disk.
TEST_F(LocalOutput, AFullDiskLeavesNoHalfLine) {
  const auto output = open();
  const auto sender = output->make_sender();
  ASSERT_EQ(put(*sender, "k", "before").outcome, Outcome::kCommitted);
  const uint64_t size = fs::file_size(file(1));

  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit{size + 1000, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const PutResult failed = put(*sender, "k", std::string(10'000, 'x'));
  const uint64_t size_after = fs::file_size(file(1));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_EQ(failed.outcome, Outcome::kUnavailable);
  EXPECT_THAT(failed.detail, HasSubstr(file(1)));
  EXPECT_EQ(size_after, size);
  EXPECT_EQ(put(*sender, "k", "after").outcome, Outcome::kCommitted);
  const auto all = records();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(base64_decode(all[1].at("Data").get<std::string>()), "after");
  expect_rising(all);
}

TEST_F(LocalOutput, ManySendersShareOneStream) {
  constexpr int kThreads = 6;
  constexpr int kPuts = 50;
  match_.local.rotate_size = 20'000;
  {
    const auto output = open();
    std::vector<std::thread> threads;
    std::atomic<int> committed{0};
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto sender = output->make_sender();
        for (int i = 0; i < kPuts; ++i) {
          const std::string key = std::to_string(t) + "-" + std::to_string(i);
          if (put(*sender, key, std::string(200, 'x')).outcome == Outcome::kCommitted) ++committed;
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(committed, kThreads * kPuts);
  }
  const auto all = records();
  ASSERT_EQ(all.size(), static_cast<size_t>(kThreads * kPuts));
  expect_rising(all);
  std::map<std::string, int> next;  // per thread: its own records are in order
  for (const auto& record : all) {
    const auto key = record.at("PartitionKey").get<std::string>();
    const size_t dash = key.find('-');
    EXPECT_EQ(std::stoi(key.substr(dash + 1)), next[key.substr(0, dash)]++);
  }
  EXPECT_TRUE(fs::exists(file(5)));
}

TEST_F(LocalOutput, AnInterruptedSenderStoresNothingMore) {
  const auto output = open();
  const auto sender = output->make_sender();
  sender->interrupt();
  EXPECT_EQ(put(*sender, "k", "r").outcome, Outcome::kUnavailable);
  EXPECT_FALSE(fs::exists(file(1)));
}

TEST(SequenceOf, ReadsOnlyItsOwnForm) {
  EXPECT_EQ(sequence_of(R"({"SequenceNumber":"1000000000000000001","x)"), 1000000000000000001u);
  for (const char* line : {"", "{\"SequenceNumber\":\"1000000000000000001",
                           "{\"SequenceNumber\":\"100000000000000001\",\"",
                           "{\"SequenceNumber\":\"-00000000000000001\",\"",
                           "{\"SequenceNumber\":\"1000000000000000000\",\"",
                           "{\"SequenceNumber\":\"10000000000000000011\",",
                           " {\"SequenceNumber\":\"1000000000000000001\""}) {
    EXPECT_EQ(sequence_of(line), 0u) << line;
  }
}

}  // namespace
}  // namespace millrace::output
