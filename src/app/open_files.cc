// SPDX-License-Identifier: Apache-2.0
#include "app/open_files.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"

namespace millrace::app {
namespace {

// The process itself: log, control socket and its clients, loops, name lookups, source listeners.
constexpr uint64_t kProcessFiles = 128;
// A log: its lock, segments and spares, position file, dead letters, directories being synced.
constexpr uint64_t kLogFiles = 16;
// A flush thread: the segment that it reads, its connection, the one before.
constexpr uint64_t kFlushThreadFiles = 4;

uint64_t files_besides_connections(const config::Config& config) {
  uint64_t of_a_worker = kLogFiles;  // the log of unmatched events
  for (const config::Match& match : config.matches) {
    of_a_worker += kLogFiles + kFlushThreadFiles * match.buffer.flush_thread_count;
  }
  return kProcessFiles + config.system.workers * of_a_worker;
}

}  // namespace

uint64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return RLIM_INFINITY;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
}

config::Config fit_connections(config::Config config, uint64_t open_files_max) {
  const uint64_t others = files_besides_connections(config);
  const uint64_t left = open_files_max > others ? open_files_max - others : 0;
  const uint64_t each = std::max<uint64_t>(1, left / std::max<size_t>(1, config.sources.size()));
  for (config::ForwardSource& source : config.sources) {
    if (source.connection_limit <= each) continue;
    log::warn("app", "connection_limit is lowered to what the limit of open files leaves",
              {{"source", source.id},
               {"connection_limit", source.connection_limit},
               {"lowered_to", each},
               {"open_files", open_files_max}});
    source.connection_limit = each;
  }
  return config;
}

}  // namespace millrace::app
