// SPDX-License-Identifier: Apache-2.0
#pragma once

// An output whose answers a test computes. Any thread: the answer is asked for by every sender.

#include <functional>
#include <memory>
#include <utility>

#include "output/output.h"

namespace millrace::testing {

class AnsweringOutput : public output::Output {
 public:
  using Answer = std::function<output::PutResult(const output::Delivery&)>;

  explicit AnsweringOutput(Answer answer) : answer_(std::move(answer)) {}

  std::unique_ptr<output::Sender> make_sender() override {
    return std::make_unique<AnsweringSender>(answer_);
  }
  std::string target() const override { return "test"; }

 private:
  class AnsweringSender : public output::Sender {
   public:
    explicit AnsweringSender(const Answer& answer) : answer_(answer) {}
    output::PutResult put(const output::Delivery& delivery) override { return answer_(delivery); }
    void interrupt() noexcept override {}

   private:
    const Answer& answer_;
  };

  const Answer answer_;
};

}  // namespace millrace::testing
