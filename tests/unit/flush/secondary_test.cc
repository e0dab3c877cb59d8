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

TEST(SecondaryTest, NoDeliveryIsThereWithoutItsReason) {
  testing::MemoryFileSystem files;
  testing::LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  harness.append({"one;"});
  harness.log().appender().seal_all(buffer::SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  const auto taken = harness.take();
  ASSERT_TRUE(taken);
  io::FaultyFileSystem faulty(files);
  const config::Secondary options{.directory = kDirectory, .basename = "dump.bin"};
  auto secondary = Secondary::open(io::Io{faulty, harness.clock, harness.random}, options, "out");
  ASSERT_TRUE(secondary);
  const std::string delivery = "dump.bin." + taken->chunk.id.hex();
  bool written = false;
  for (uint64_t nth = 1; !written; ++nth) {
    faulty.set(io::Fault{.call = io::Call::kRename, .nth = nth, .before = [&] {
                           const std::set<std::string> there = names(files);
                           EXPECT_EQ(there.contains(delivery + ".json"), nth > 1);
                           for (const std::string& name : there) {
                             EXPECT_TRUE(!name.ends_with(".tmp") || name[0] == '.');
                           }
                         }});
    written = (*secondary)->write(taken->chunk, taken->loaded).has_value();
    const std::set<std::string> there = names(files);
    EXPECT_EQ(there.contains(delivery), written);
    EXPECT_EQ(there.size(), written ? 2U : 0U) << "nothing is left of one that failed";
  }
}

}  // namespace
}  // namespace millrace::flush
