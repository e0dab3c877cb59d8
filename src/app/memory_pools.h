// SPDX-License-Identifier: Apache-2.0
#pragma once

// What holds memory, by pool: how much of it is taken and where it ends. Everything that grows with
// load, connections or backlog is in one of them. Counts only; each limit is kept where its memory
// is taken. Any thread while the workers run.

#include <memory>
#include <vector>

#include "admin/status.h"
#include "app/worker.h"
#include "config/model.h"
#include "metrics/metrics.h"

namespace millrace::app {

struct PoolHolders {
  const config::Config& config;
  const std::vector<std::unique_ptr<Worker>>& workers;
  const std::vector<admin::OutputStatus>& outputs;  // that of unmatched events is last, if any
  const ingest::Shared& shared;
  const metrics::Registry& registry;
};

std::vector<admin::PoolStatus> memory_pools(const PoolHolders& holders, uint64_t running_ms);

}  // namespace millrace::app
