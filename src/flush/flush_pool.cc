// SPDX-License-Identifier: Apache-2.0
#include "flush/flush_pool.h"

#include <fmt/format.h>

namespace millrace::flush {

FlushPool::FlushPool(io::Io io, buffer::Log& log, output::Output& output,
                     const config::Buffer& options, metrics::Registry& registry)
    : log_(log) {
  for (uint32_t i = 0; i < options.flush_thread_count; ++i) {
    threads_.push_back(std::make_unique<FlushThread>(
        io, log, output, options, registry.make_cells(log.settings().output_id),
        fmt::format("flush-{}-{}", log.settings().worker_id, i)));
  }
}

FlushPool::~FlushPool() { stop(true); }

void FlushPool::stop(bool interrupt) {
  log_.queue().stop();
  if (interrupt) {
    for (const auto& thread : threads_) {
      thread->interrupt();
    }
  }
  for (const auto& thread : threads_) {
    thread->join();
  }
}

}  // namespace millrace::flush
