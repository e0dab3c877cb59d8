// SPDX-License-Identifier: Apache-2.0
#include "buffer/commit_thread.h"

#include <pthread.h>

namespace millrace::buffer {

CommitThread::CommitThread(std::string name, std::function<void()> notify)
    : name_(std::move(name)), notify_(std::move(notify)), thread_([this] { run(); }) {}

CommitThread::~CommitThread() { stop(); }

void CommitThread::submit(CommitTarget& target, std::unique_ptr<Batch> batch) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(Job{&target, std::move(batch)});
  wake_.notify_one();
}

void CommitThread::take_completions(std::vector<Completion>& done) {
  done.clear();
  const std::lock_guard lock(mutex_);
  completions_.swap(done);
}

void CommitThread::retry_waiting() {
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty()) {
    jobs_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  wake_.notify_one();
}

void CommitThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  jobs_.clear();
  waiting_.clear();
  completions_.clear();
}

void CommitThread::run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const LogWriter::Outcome outcome = job.target->commit(*job.batch);
    lock.lock();
    if (outcome != LogWriter::Outcome::kDurable) {
      waiting_.push_back(std::move(job));
      continue;
    }
    completions_.push_back(Completion{job.target, std::move(job.batch)});
    lock.unlock();
    notify_();
    lock.lock();
  }
}

}  // namespace millrace::buffer
