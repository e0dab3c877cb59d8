// SPDX-License-Identifier: Apache-2.0
// Chunks beside which a dead letter lies from an earlier life, given to flush threads.

#include "buffer/left_letters.h"

#include <gtest/gtest.h>

#include "buffer/dead_letter_files.h"
#include "buffer/dead_letters.h"
#include "flush/flush_pool.h"
#include "tests/support/answering_output.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::flush {
namespace {

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";

TEST(LeftLettersDelivery, WhatIsSentIsInDeadNoMoreAndWhatIsNotStaysThere) {
  testing::MemoryFileSystem files;
  testing::LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  for (const char* record : {"whole;", "lost;", "left;"}) {
    harness.append({record}, record);
    ASSERT_TRUE(harness.commit());
  }
  harness.append({"more;"}, "lost;");
  harness.log().appender().seal_all(buffer::SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  std::string segment;
  while (auto taken = harness.take()) {  // all three were given up, and no line was written
    ASSERT_TRUE(buffer::write_dead_letter(files, kDirectory, taken->chunk, taken->loaded));
    segment = harness.log().segments().newest()->name;
  }
  harness.stop();
  const std::string path = std::string(kDirectory) + "/" + segment;
  const size_t at = io::read_whole(files, path, 1 << 30)->find("more;");
  ASSERT_TRUE((*files.open(path, io::OpenMode::kReadWrite))->pwrite("M", at));

  ASSERT_TRUE(harness.start());
  std::atomic<int> sent = 0;
  testing::AnsweringOutput output([&](const output::Delivery& delivery) {
    EXPECT_EQ(delivery.record.find("lost;"), std::string_view::npos);
    const std::string letter = buffer::dead_letter_path(kDirectory, delivery.chunk_id);
    EXPECT_FALSE(*files.exists(letter)) << "it could be requeued though it is sent";
    ++sent;
    return output::PutResult{.outcome = output::Outcome::kCommitted};
  });
  Outlet outlet(harness.io(), output, "out", {}, harness.registry);
  FlushPool pool(harness.io(), harness.log(), outlet, 2, harness.registry);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (harness.log().status().unfinished_bytes > 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    ++harness.clock.running;
    std::this_thread::yield();
  }
  EXPECT_EQ(sent, 2);
  const auto letters = buffer::list_dead_letters(files, kDirectory);
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ(*buffer::read_dead_letter(files, letters->front()), "HEADlost;more;");
}

}  // namespace
}  // namespace millrace::flush
