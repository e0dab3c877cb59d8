// SPDX-License-Identifier: Apache-2.0
#include "buffer/side_file.h"
#include "tests/fault/story.h"

namespace millrace::fault {
namespace {

class Keys : public StoryTest {};

// What a side file has of each request: its key, and a share of the chunk it is in.
TEST_F(Keys, Q7TheKeysOfSmallRequestsTakeFewBytes) {
  constexpr uint32_t kRequests = 400;
  constexpr uint32_t kTogether = 4;
  Plan plan = plan_of_one_log(kRequests);
  plan.chunk_bytes_max = 60'000;
  for (Request& request : plan.requests) request.record_bytes = {2048};
  Story story(plan);
  story.start();
  for (uint32_t i = 0; i < kRequests; ++i) {
    story.send(i);
    if (i % kTogether == kTogether - 1) {
      ASSERT_TRUE(story.node().commit(0));
      story.node().tend(0);
    }
  }
  uint64_t keys = 0;
  uint64_t bytes = 0;
  const std::string directory = plan.directory_of(0);
  const auto entries = story.disk.list(directory);
  for (const io::DirectoryEntry& entry : *entries) {
    if (!buffer::is_side_file_name(entry.name)) continue;
    buffer::SideFile side;
    const auto text = io::read_whole(story.disk, directory + "/" + entry.name, 1 << 20);
    ASSERT_TRUE(text && decode(*text, side));
    keys += side.keys.size();
    bytes += text->size();
  }
  ASSERT_GT(keys, kRequests / 2);
  std::printf("side files: %lu bytes for %lu requests of 2 KiB\n", bytes, keys);
  EXPECT_LE(bytes, 32 * keys);
  story.end();
}

}  // namespace
}  // namespace millrace::fault
