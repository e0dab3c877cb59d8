// SPDX-License-Identifier: Apache-2.0
#pragma once

// App: the running service. It builds every part in start order, connects them, waits for signals
// and takes everything down again. The members stand in start order, so their destruction is the
// stop. Invariant: nothing is accepted before every log is open, nothing is delivered before that
// either. Main thread, but for what the control socket asks.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/adopted_logs.h"
#include "app/signals.h"
#include "app/worker.h"
#include "buffer/housekeeping.h"
#include "config/load.h"
#include "flush/flush_pool.h"
#include "http/library.h"
#include "io/real.h"
#include "output/output.h"

namespace millrace::admin {
class ControlSocket;
}

namespace millrace::app {

/// Runs the service until it is told to stop. Returns the exit code (sysexits, see
/// cli/exit_code.h).
int run(const config::Loaded& loaded);

class App {
 public:
  explicit App(const config::Config& config);
  ~App();

  int run();

 private:
  enum class State : uint8_t { kRecovering, kRunning, kStopping };

  int start();
  Result<> lock_root();
  Result<> make_outputs();
  Result<> make_outlets();
  int open_logs();
  void choose_key_seed();
  void tell_left_logs();
  Result<> listen();
  Result<> open_control_socket();
  void tend_control_socket();
  void start_delivery();
  int serve();
  void stop(uint64_t timeout_ms);
  bool drain(uint64_t deadline_ms);
  uint64_t undelivered() const;
  Result<uint64_t> flush_when_running();
  size_t flush();
  std::string status_json() const;
  int refuse(int exit_code, const std::string& message);
  int refuse(const Error& error);

  const config::Config config_;
  io::RealFileSystem files_;
  io::RealClock clock_;
  io::RealRandom random_;
  const io::Io io_;
  Signals signals_;
  http::Library http_;
  metrics::Registry registry_;
  std::atomic<State> state_{State::kRecovering};
  std::atomic<bool> interrupted_{false};
  ingest::Shared shared_;
  std::unique_ptr<io::FileLock> root_lock_;
  std::vector<std::unique_ptr<output::Output>> outputs_;  // by index of [[match]]
  std::vector<std::unique_ptr<flush::Outlet>> outlets_;   // the same
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<uint16_t> ports_;  // by source
  std::unique_ptr<AdoptedLogs> adopted_;
  std::vector<std::string> left_;  // buffers that no output uses
  buffer::Housekeeping housekeeping_;
  std::vector<std::unique_ptr<flush::FlushPool>> pools_;
  std::unique_ptr<admin::ControlSocket> control_;  // null: the disk had no room for it
  uint64_t control_retry_ms_ = 0;
};

}  // namespace millrace::app
