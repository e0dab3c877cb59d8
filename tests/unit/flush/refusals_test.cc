// SPDX-License-Identifier: Apache-2.0
// Whether refusals are of the rate, told from windows and trials; with a rate, PacerTest.

#include "flush/refusals.h"

#include <gtest/gtest.h>

namespace millrace::flush {
namespace {

using Step = Refusals::Step;

class RefusalsTest : public ::testing::Test {
 protected:
  // Three of four requests are refused, one request every `gap_ms`. What comes of it, or kGoOn.
  Step run(uint64_t gap_ms) {
    for (int i = 0; i < 1'000; ++i) {
      now_ += gap_ms;
      const Step step = refusals_.count(i % 4 != 0, true, rate_, now_, now_);
      if (step != Step::kGoOn) return step;
    }
    return Step::kGoOn;
  }

  Refusals refusals_;
  double rate_ = 100;
  uint64_t now_ = 1'000;
};

TEST_F(RefusalsTest, AShareThatStaysIsNotOfTheRate) {
  ASSERT_EQ(run(12), Step::kTry);
  rate_ *= 2;
  EXPECT_EQ(run(6), Step::kTry) << "and again";
  EXPECT_TRUE(refusals_.trial());
}

// Sixteen threads that wait 200 ms for each answer make 80 a second, whatever the rate.
TEST_F(RefusalsTest, ARateThatChangesNothingIsNoTrial) {
  ASSERT_EQ(run(12), Step::kTry);
  rate_ *= 2;
  EXPECT_EQ(run(12), Step::kBack);
  EXPECT_FALSE(refusals_.trial());
}

}  // namespace
}  // namespace millrace::flush
