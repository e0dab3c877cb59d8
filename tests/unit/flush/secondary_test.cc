// SPDX-License-Identifier: Apache-2.0
// Who takes deliveries from a secondary's directory finds the reason beside each, whenever the
// process is killed, and meets nothing that is not finished.

#include "flush/secondary.h"

#include <gtest/gtest.h>

#include <set>

#include "io/faulty.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::flush {
namespace {

const std::string kDirectory = "/kept";

std::set<std::string> names(io::FileSystem& files) {
  std::set<std::string> found;
  const auto entries = files.list(kDirectory);
  for (const io::DirectoryEntry& entry : *entries) found.insert(entry.name);
  return found;
}

class SecondaryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(harness.start());
    harness.append({"one;"});
    harness.append({"two;"});
    harness.log().appender().seal_all(buffer::SealReason::kForced);
    ASSERT_TRUE(harness.commit());
    taken = harness.take();
    ASSERT_TRUE(taken);
    const config::Secondary options{.directory = kDirectory, .basename = "dump.bin"};
    auto opened = Secondary::open(io::Io{faulty, harness.clock, harness.random}, options, "out");
    ASSERT_TRUE(opened);
    secondary = std::move(*opened);
    delivery = "dump.bin." + taken->chunk.id.hex();
  }
  std::string bytes_of(const std::string& name) {
    return io::read_whole(files, kDirectory + "/" + name, 1 << 20).value_or("none");
  }
  /// What the log gives back when the disk has lost one of the two records.
  static buffer::LoadedChunk without(const buffer::LoadedChunk& whole, const std::string& record) {
    buffer::LoadedChunk loaded = whole;
    loaded.bytes.erase(loaded.bytes.find(record), record.size());
    loaded.records = 1;
    loaded.missing_records = 1;
    loaded.damaged = true;
    return loaded;
  }

  testing::MemoryFileSystem files;
  io::FaultyFileSystem faulty{files};
  testing::LogHarness harness{files};
  std::optional<testing::LogHarness::Taken> taken;
  std::unique_ptr<Secondary> secondary;
  std::string delivery;
};

TEST_F(SecondaryTest, NoDeliveryIsThereWithoutItsReason) {
  bool written = false;
  for (uint64_t nth = 1; !written; ++nth) {
    faulty.set(io::Fault{.call = io::Call::kRename, .nth = nth, .before = [&] {
                           const std::set<std::string> there = names(files);
                           EXPECT_EQ(there.contains(delivery + ".json"), nth > 1);
                           for (const std::string& name : there) {
                             EXPECT_TRUE(!name.ends_with(".tmp") || name[0] == '.');
                           }
                         }});
    written = secondary->write(taken->chunk, taken->loaded).has_value();
    const std::set<std::string> there = names(files);
    EXPECT_EQ(there.contains(delivery), written);
    EXPECT_EQ(there.size(), written ? 2U : 0U) << "nothing is left of one that failed";
  }
}

// Killed before the chunk's line was written, and the next process finds it damaged.
TEST_F(SecondaryTest, AWholeCopyIsNotReplacedByWhatTheDiskLeftOfTheChunk) {
  ASSERT_TRUE(secondary->write(taken->chunk, taken->loaded).value_or(false));
  EXPECT_FALSE(secondary->write(taken->chunk, without(taken->loaded, "two;")).value_or(true));
  EXPECT_EQ(bytes_of(delivery), "HEADone;two;");
  EXPECT_NE(bytes_of(delivery + ".json").find("\"records\": 2"), std::string::npos);
  EXPECT_TRUE(secondary->write(taken->chunk, taken->loaded).value_or(false));
  EXPECT_EQ(names(files).size(), 2U);
}

TEST_F(SecondaryTest, OfTwoThatLackSomethingBothAreKept) {
  ASSERT_TRUE(secondary->write(taken->chunk, without(taken->loaded, "one;")));
  ASSERT_TRUE(secondary->write(taken->chunk, without(taken->loaded, "two;")));
  EXPECT_EQ(bytes_of(delivery), "HEADone;");
  EXPECT_EQ(bytes_of(delivery + ".before"), "HEADtwo;");
  EXPECT_NE(bytes_of(delivery + ".json.before"), "none");
  ASSERT_TRUE(secondary->write(taken->chunk, without(taken->loaded, "one;")));
  EXPECT_EQ(bytes_of(delivery), "HEADtwo;");
  EXPECT_EQ(bytes_of(delivery + ".before"), "HEADtwo;");
  EXPECT_EQ(bytes_of(delivery + ".before2"), "HEADone;");
}

// Nobody knows what it is, so nothing is written over it, and it is not removed either.
TEST_F(SecondaryTest, ACopyThatCannotBeReadStays) {
  ASSERT_TRUE(secondary->write(taken->chunk, taken->loaded));
  faulty.set(io::Fault{.call = io::Call::kRead, .path_glob = "*/dump.bin.*"});
  EXPECT_FALSE(secondary->write(taken->chunk, without(taken->loaded, "two;")));
  EXPECT_GT(faulty.failed(), 0U);
  EXPECT_EQ(bytes_of(delivery), "HEADone;two;");
}

}  // namespace
}  // namespace millrace::flush
