// SPDX-License-Identifier: Apache-2.0
#include "flush/tail_hasher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::flush {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::nanoseconds kWaitMax = std::chrono::milliseconds(5);

}  // namespace

TailHasher::Member::Member(TailHasher& hasher) : hasher_(hasher) {
  const std::lock_guard lock(hasher_.mutex_);
  ++hasher_.members_;
}

TailHasher::Member::~Member() {
  const std::lock_guard lock(hasher_.mutex_);
  --hasher_.members_;
}

Md5Bytes TailHasher::md5(std::string_view bytes) {
  Job job{.bytes = bytes};
  std::unique_lock lock(mutex_);
  jobs_.push_back(&job);
  if (more_will_come()) job.wake.wait_for(lock, kWaitMax, [&job] { return job.taken; });
  if (!job.taken) hash_all(lock);
  job.wake.wait(lock, [&job] { return job.done; });
  return job.digest;
}

// As the last ones came, the lanes are full within kWaitMax. The lock is held.
bool TailHasher::more_will_come() {
  const steady_clock::time_point now = steady_clock::now();
  const auto last_ones = now - std::exchange(came_[next_], now);
  next_ = (next_ + 1) % came_.size();
  const size_t full = std::min(kMd5Lanes, members_);
  return jobs_.size() < full && last_ones * (full - 1) <= kWaitMax * came_.size();
}

// All that wait, the caller's own among them. Nobody is told that a job is taken: its owner finds
// that out when it is done, or when its time is over.
void TailHasher::hash_all(std::unique_lock<std::mutex>& lock) {
  const std::vector<Job*> jobs = std::exchange(jobs_, {});
  CHECK(!jobs.empty() && jobs.size() <= kMd5Lanes);
  std::vector<std::string_view> messages;
  for (Job* job : jobs) {
    job->taken = true;
    messages.push_back(job->bytes);
  }
  lock.unlock();
  std::vector<Md5Bytes> digests(jobs.size());
  if (jobs.size() == 1) {
    digests[0] = millrace::md5(messages[0]);
  } else {
    md5_lanes(messages, digests);
  }
  lock.lock();
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->digest = digests[i];
    jobs[i]->done = true;
    jobs[i]->wake.notify_one();
  }
}

}  // namespace millrace::flush
