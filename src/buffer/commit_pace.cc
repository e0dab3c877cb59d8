// SPDX-License-Identifier: Apache-2.0
#include "buffer/commit_pace.h"

#include <algorithm>

namespace millrace::buffer {

void CommitPace::committed(size_t requests, size_t laid_out, uint64_t now_us) {
  if (commits_until_retry_ > 0 && --commits_until_retry_ == 0) expected_max_ = SIZE_MAX;
  laid_out_ = laid_out;
  put_off_ = false;
  due_requests_ = laid_out + std::min(requests, expected_max_);
  due_us_ = now_us + std::min(now_us - std::min(submitted_us_, now_us), kWaitUsMax);
}

bool CommitPace::waits(size_t laid_out, uint64_t bytes, uint64_t now_us) {
  if (laid_out >= due_requests_ || bytes >= kEnoughBytes) {
    due_requests_ = 0;
    return false;
  }
  if (now_us < due_us_) return put_off_ = true;
  if (put_off_) {  // in vain
    expected_max_ = laid_out - std::min(laid_out, laid_out_);
    commits_until_retry_ = kCommitsUntilRetry;
  }
  due_requests_ = 0;
  return false;
}

}  // namespace millrace::buffer
