// SPDX-License-Identifier: Apache-2.0
#include "buffer/housekeeping.h"

#include <pthread.h>

#include <chrono>

namespace millrace::buffer {
namespace {

constexpr auto kRoundEvery = std::chrono::milliseconds(200);

}  // namespace

Housekeeping::~Housekeeping() { stop(); }

void Housekeeping::add(Log& log, CommitThread& commits) {
  wards_.push_back(Ward{&log, &commits});
  log.on_need([this] { wake(); });
}

void Housekeeping::start() {
  thread_ = std::thread([this] { run(); });
}

void Housekeeping::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  wake_.notify_one();
}

void Housekeeping::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
  round();
}

void Housekeeping::run() {
  pthread_setname_np(pthread_self(), "housekeeping");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    round();
    lock.lock();
    wake_.wait_for(lock, kRoundEvery, [this] { return woken_ || stopping_; });
  }
}

void Housekeeping::remove(const Log& log) {
  const std::lock_guard lock(round_mutex_);
  std::erase_if(wards_, [&](const Ward& ward) { return ward.log == &log; });
}

void Housekeeping::round() {
  const std::lock_guard lock(round_mutex_);
  for (const Ward& ward : wards_) {
    if (ward.log->tend(&stopping_)) ward.commits->retry_waiting();
  }
}

}  // namespace millrace::buffer
