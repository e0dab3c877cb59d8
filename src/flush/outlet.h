// SPDX-License-Identifier: Apache-2.0
#pragma once

// Outlet: one [[match]] as all its flush threads share it, those of every worker: the output, the
// gate before it, the secondary for what it gives up, who makes the tails, and the options of its
// buffer.
// What the constructor takes must outlive it. Read by any thread; each part tells its own rules.

#include <memory>

#include "flush/gate.h"
#include "flush/secondary.h"
#include "flush/tail_hasher.h"
#include "output/output.h"

namespace millrace::flush {

struct Outlet {
  Outlet(io::Io io, output::Output& to, const std::string& output_id,
         const config::Buffer& buffer_options, metrics::Registry& registry)
      : output(to), gate(io, output_id, buffer_options, registry), options(buffer_options) {}

  output::Output& output;
  Gate gate;
  TailHasher tails;
  std::unique_ptr<Secondary> secondary;  // none: dead/
  const config::Buffer options;
};

}  // namespace millrace::flush
