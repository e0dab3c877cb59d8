// SPDX-License-Identifier: Apache-2.0
#pragma once

// An output that answers what a test says, in order, and remembers what it was given. What is not
// said is delivered. Any thread.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "output/output.h"

namespace millrace::testing {

class ScriptedOutput : public output::Output {
 public:
  struct Put {
    std::string partition_key;
    std::string record;
    ChunkId chunk_id;
    uint64_t records = 0;
    uint32_t attempt = 0;
  };

  void answer(output::PutResult result, int times = 1) {
    const std::lock_guard lock(mutex_);
    for (; times > 0; --times) answers_.push_back(result);
  }
  /// Every put waits until it is let go or interrupted.
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    wake_.notify_all();
  }

  std::vector<Put> puts() const {
    const std::lock_guard lock(mutex_);
    return puts_;
  }
  size_t under_way() const {
    const std::lock_guard lock(mutex_);
    return under_way_;
  }

  std::unique_ptr<output::Sender> make_sender() override {
    return std::make_unique<ScriptedSender>(*this);
  }
  std::string target() const override { return "script"; }

 private:
  class ScriptedSender : public output::Sender {
   public:
    explicit ScriptedSender(ScriptedOutput& output) : output_(output) {}
    output::PutResult put(const output::Delivery& delivery) override {
      return output_.put(delivery, interrupted_);
    }
    void interrupt() noexcept override {
      const std::lock_guard lock(output_.mutex_);
      interrupted_ = true;
      output_.wake_.notify_all();
    }

   private:
    ScriptedOutput& output_;
    bool interrupted_ = false;  // guarded by the output's mutex
  };

  output::PutResult put(const output::Delivery& delivery, const bool& interrupted) {
    std::unique_lock lock(mutex_);
    puts_.push_back(Put{.partition_key = std::string(delivery.partition_key),
                        .record = std::string(delivery.record),
                        .chunk_id = delivery.chunk_id,
                        .records = delivery.records,
                        .attempt = delivery.attempt});
    ++under_way_;
    wake_.wait(lock, [&] { return !held_ || interrupted; });
    --under_way_;
    if (interrupted) {
      return {.outcome = output::Outcome::kAmbiguous, .detail = "interrupted"};
    }
    if (answers_.empty()) return {.outcome = output::Outcome::kCommitted};
    output::PutResult result = std::move(answers_.front());
    answers_.pop_front();
    return result;
  }

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  std::deque<output::PutResult> answers_;
  std::vector<Put> puts_;
  size_t under_way_ = 0;
  bool held_ = false;
};

}  // namespace millrace::testing
