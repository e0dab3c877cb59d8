// SPDX-License-Identifier: Apache-2.0
#include "app/app.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <future>

#include "admin/control_socket.h"
#include "app/exit_code.h"
#include "app/left_logs.h"
#include "app/open_files.h"
#include "app/service_manager.h"
#include "base/log.h"
#include "buffer/key_seed.h"
#include "metrics/exposition.h"

namespace millrace::app {
namespace {

constexpr uint64_t kSignalPollMs = 100;
constexpr uint64_t kControlRetryMs = 1000;

// What the system answered, as the exit code that a service manager can act on.
int exit_code_of(const Error& error) {
  // A directory of the buffer that cannot be there, rather than a disk that fails.
  if (error.errno_value == ENOTDIR || error.errno_value == EROFS) return kExitCannotCreate;
  switch (error.kind) {
    case ErrorKind::kLocked:
      return kExitLocked;
    case ErrorKind::kPermission:
      return kExitPermission;
    case ErrorKind::kUnreachable:
      return kExitUnavailable;
    case ErrorKind::kInvalid:
      return kExitConfig;
    case ErrorKind::kIo:
    case ErrorKind::kNoSpace:
    case ErrorKind::kCorrupt:
      return kExitDisk;
    case ErrorKind::kInterrupted:
      return kExitFine;
    default:
      return kExitCannotCreate;
  }
}

}  // namespace

int run(const config::Loaded& loaded) {
  const config::Config& config = loaded.config;
  log::configure(config.system.log_level, config.system.log_format);
  for (const config::Problem& warning : loaded.warnings) {
    log::warn("config", "configuration",
              {{"warning", warning.what}, {"file", warning.file}, {"line", warning.line}});
  }
  App app(fit_connections(config, raise_open_files()));
  return app.run();
}

App::App(const config::Config& config)
    : config_(config), io_{files_, clock_, random_}, shared_(config.system.dedup_window_ms) {}

App::~App() = default;

// The life of the service.
int App::run() {
  log::info("app", "starting", {{"version", MILLRACE_VERSION}, {"pid", ::getpid()}});
  if (const int code = start(); code >= 0) return code;
  tell_service_manager("READY=1");
  const int code = serve();
  tell_service_manager("STOPPING=1");
  stop(config_.system.stop_timeout_ms);
  return code;
}

// -1: it runs. Otherwise the exit code.
int App::start() {
  if (auto locked = lock_root(); !locked) {
    const bool cannot_create = locked.error().kind == ErrorKind::kIo;
    return cannot_create ? refuse(kExitCannotCreate, locked.error().message)
                         : refuse(locked.error());
  }
  if (auto made = make_outputs(); !made) return refuse(kExitConfig, made.error().message);
  if (auto made = make_outlets(); !made) return refuse(made.error());
  if (const int code = open_logs(); code >= 0) return code;
  if (auto listening = listen(); !listening) return refuse(listening.error());
  auto controlled = open_control_socket();
  if (!controlled && controlled.error().kind != ErrorKind::kNoSpace) {
    return refuse(controlled.error());
  }
  start_delivery();
  state_ = State::kRunning;
  for (size_t i = 0; i < ports_.size(); ++i) {
    log::info("app", "listening",
              {{"source", config_.sources[i].id},
               {"bind", config_.sources[i].bind},
               {"port", ports_[i]}});
  }
  return -1;
}

int App::refuse(const Error& error) {
  if (error.kind != ErrorKind::kNoSpace) return refuse(exit_code_of(error), error.message);
  return refuse(kExitDisk, "the disk is full (" + error.message +
                               "); nothing is lost: make some space and start again");
}

int App::refuse(int exit_code, const std::string& message) {
  if (exit_code == kExitFine) {
    log::info("app", "stopped", {{"reason", message}});
  } else {
    log::error("app", "cannot start", {{"error", message}, {"exit_code", exit_code}});
  }
  return exit_code;
}

Result<> App::lock_root() {
  const std::string& root = config_.system.root_dir;
  if (auto made = files_.make_directories(root); !made) {
    Error error = made.error();
    error.message = "root_dir cannot be used: " + error.message;
    return tl::unexpected(error);
  }
  auto lock = files_.lock(root + "/LOCK");
  if (!lock) {
    Error error = lock.error();
    error.message =
        error.kind == ErrorKind::kLocked
            ? "another millrace (" + error.message + ") uses root_dir " + root + "; stop it first"
            : "root_dir cannot be used: " + error.message;
    return tl::unexpected(error);
  }
  root_lock_ = std::move(*lock);
  auto described = root_lock_->describe("pid " + std::to_string(::getpid()));
  // The text is for people; a full disk has no room for it.
  return !described && described.error().kind == ErrorKind::kNoSpace ? Result<>() : described;
}

Result<> App::make_outputs() {
  for (const config::Match& match : config_.matches) {
    auto output = output::make_output(match, config_.system);
    if (!output) return tl::unexpected(output.error());
    outputs_.push_back(std::move(*output));
  }
  return {};
}

Result<> App::make_outlets() {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const config::Match& match = config_.matches[i];
    outlets_.push_back(
        std::make_unique<flush::Outlet>(io_, *outputs_[i], match.id, match.buffer, registry_));
    if (!match.secondary) continue;
    auto secondary = flush::Secondary::open(io_, *match.secondary, match.id);
    if (!secondary) return tl::unexpected(secondary.error());
    outlets_.back()->secondary = std::move(*secondary);
  }
  return {};
}

// Reading a large buffer takes a while: signals are heard meanwhile.
int App::open_logs() {
  for (uint32_t id = 0; id < config_.system.workers; ++id) {
    workers_.push_back(std::make_unique<Worker>(io_, id, config_, registry_, shared_));
  }
  adopted_ = std::make_unique<AdoptedLogs>(io_, config_, registry_, shared_);
  if (auto found = adopted_->find(); !found) return refuse(found.error());
  auto opening = std::async(std::launch::async, [this]() -> Result<> {
    choose_key_seed();
    for (const auto& worker : workers_) {
      if (auto opened = worker->open_logs(interrupted_); !opened) return opened;
    }
    return adopted_->open(interrupted_);
  });
  while (opening.wait_for(std::chrono::milliseconds(0)) != std::future_status::ready) {
    if (signals_.wait(kSignalPollMs / 10) == Order::kStop) interrupted_ = true;
  }
  auto opened = opening.get();
  if (!opened && opened.error().kind == ErrorKind::kLocked) {
    return refuse(kExitLocked,
                  "another millrace (" + opened.error().message + ") holds the buffer");
  }
  if (!opened) return refuse(opened.error());
  if (interrupted_) return refuse(kExitFine, "stopped while starting");
  ::malloc_trim(0);  // reading a long backlog takes three times what keeping it does
  tell_left_logs();
  return -1;
}

// That of the buffers, so that what is in them is known when it is sent again.
void App::choose_key_seed() {
  std::vector<std::string> directories = adopted_->directories();
  for (const auto& worker : workers_) {
    for (std::string& directory : worker->log_directories()) {
      directories.push_back(std::move(directory));
    }
  }
  const auto found = buffer::find_key_seed(files_, directories);
  shared_.key_seed = found.seed.value_or(std::max<uint64_t>(1, io_.random.next()));
  if (found.seed || found.unreadable == 0) return;
  log::warn("app",
            "no segment header can be read: messages that were stored before may be stored twice "
            "if they are sent again",
            {{"headers", found.unreadable}});
}

void App::tell_left_logs() {
  std::vector<std::string> opened = adopted_->directories();
  for (const auto& worker : workers_) {
    for (const auto& log : worker->logs()) {
      opened.push_back(log->settings().directory);
    }
  }
  left_ = left_logs(files_, config_, opened);
  registry_.make_cells("").set(metrics::Metric::kLeftBuffers, left_.size());
  for (const std::string& directory : left_) {
    log::warn("app",
              "a buffer that no output uses: what is in it is not delivered; give an output "
              "its id or path again",
              {{"directory", directory}});
  }
}

Result<> App::listen() {
  ports_.assign(config_.sources.size(), 0);
  for (const auto& worker : workers_) {
    if (auto listening = worker->listen(ports_); !listening) return listening;
  }
  return {};
}

Result<> App::open_control_socket() {
  auto control =
      admin::ControlSocket::open(config_.system.root_dir + "/control.sock",
                                 admin::ControlHandlers{
                                     .metrics = [this] { return metrics::exposition(registry_); },
                                     .status = [this] { return status_json(); },
                                     .flush = [this] { return flush_when_running(); },
                                 });
  if (!control) return tl::unexpected(control.error());
  control_ = std::move(*control);
  return {};
}

// A disk without room for the socket stops nothing but what is asked of it.
void App::tend_control_socket() {
  const uint64_t now = clock_.running_ms();
  if (control_ != nullptr || now < control_retry_ms_) return;
  control_retry_ms_ = now + kControlRetryMs;
  if (auto opened = open_control_socket(); !opened) {
    log::warn("app", "there is no control socket; tried again",
              {{"error", opened.error().message}});
  }
}

void App::start_delivery() {
  for (const auto& worker : workers_) {
    for (const auto& log : worker->logs()) {
      housekeeping_.add(*log, worker->commits());
    }
  }
  adopted_->start(outlets_, housekeeping_, workers_.front()->commits());
  housekeeping_.start();
  for (const auto& worker : workers_) {
    worker->start();
    for (size_t i = 0; i < outputs_.size(); ++i) {
      pools_.push_back(std::make_unique<flush::FlushPool>(io_, *worker->logs()[i], *outlets_[i],
                                                          outlets_[i]->options.flush_thread_count,
                                                          registry_));
    }
  }
}

int App::serve() {
  while (true) {
    const std::optional<Order> order = signals_.wait(kSignalPollMs);
    adopted_->tend(housekeeping_);
    tend_control_socket();
    if (order == Order::kStop) {
      log::info("app", "stopping");
      return kExitFine;
    }
    if (order == Order::kFlush) flush();
    if (order == Order::kReload) {
      log::warn("app", "a running millrace does not read its configuration again; restart it");
    }
  }
}

// Before that, nobody may touch what the loops are about to work with.
Result<uint64_t> App::flush_when_running() {
  if (state_ != State::kRunning) return fail(ErrorKind::kInterrupted, "starting or stopping");
  return flush();
}

size_t App::flush() {
  size_t chunks = 0;
  for (const auto& worker : workers_) {
    chunks += worker->flush(buffer::SealReason::kForced, config_.system.stop_timeout_ms);
  }
  housekeeping_.wake();
  log::info("app", "flushed", {{"chunks", chunks}});
  return chunks;
}

}  // namespace millrace::app
