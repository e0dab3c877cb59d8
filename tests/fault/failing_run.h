// SPDX-License-Identifier: Apache-2.0
#pragma once

// FailingRun: a plan without restarts on a disk that fails by one rule. It may not crash, ack what
// is not durable, or sync a file again that a sync failed on; it has to go on when the fault ends,
// and after a restart, by kill or by power cut in turn. Invariant: the same seed and rule do the
// same. One run an object; one thread.

#include <cerrno>
#include <memory>
#include <string>

#include "io/faulty.h"
#include "tests/fault/node.h"

namespace millrace::fault {

constexpr int kFailingErrnos[] = {EIO,    ENOSPC, EDQUOT, EROFS, EINTR,
                                  EAGAIN, EMFILE, ENFILE, ENOMEM};

class FailingRun {
 public:
  explicit FailingRun(uint64_t seed);

  /// The first broken promise, or nothing.
  std::string run(const io::Fault& fault);

  io::SimulatedFileSystem disk;
  io::FaultyFileSystem faulty{disk};
  bool struck = false;  // whether a call failed

 private:
  std::unique_ptr<Node> make_node();
  bool start(std::unique_ptr<Node>& node);
  bool goes_on(Node& node);

  Plan plan_;
  io::SimulatedClock clock_;
  io::SimulatedRandom random_{3};
  buffer::BlockPool pool_;
  std::unique_ptr<Oracle> oracle_;
  uint32_t life_ = 0;
};

}  // namespace millrace::fault
