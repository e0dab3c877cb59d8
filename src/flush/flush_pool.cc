// SPDX-License-Identifier: Apache-2.0
#include "flush/flush_pool.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::flush {

FlushPool::FlushPool(io::Io io, buffer::Log& log, Outlet& outlet, uint32_t threads,
                     metrics::Registry& registry)
    : log_(log), outlet_(outlet) {
  outlet_.gate.add_queue(log_.queue());
  log_.queue().limit_failed_in_hand(std::max<size_t>(1, threads / 2));
  for (uint32_t i = 0; i < threads; ++i) {
    threads_.push_back(std::make_unique<FlushThread>(
        io, log_, outlet_, registry.make_cells(log_.settings().output_id),
        fmt::format("flush-{}-{}", log_.settings().worker_id, i)));
  }
}

FlushPool::~FlushPool() {
  stop(true);
  outlet_.gate.remove_queue(log_.queue());
}

void FlushPool::stop(bool interrupt) {
  log_.queue().stop();
  for (const auto& thread : threads_) {
    thread->stop(interrupt);
  }
  outlet_.gate.wake();
  for (const auto& thread : threads_) {
    thread->join();
  }
}

}  // namespace millrace::flush
