// SPDX-License-Identifier: Apache-2.0
#include "app/worker.h"

#include <fmt/format.h>
#include <pthread.h>

#include <chrono>
#include <future>

#include "app/log_places.h"
#include "base/check.h"

namespace millrace::app {
namespace {

constexpr uint64_t kTickMs = 100;
constexpr auto kPollEvery = std::chrono::milliseconds(5);

}  // namespace

Worker::Worker(io::Io io, uint32_t id, const config::Config& config, metrics::Registry& registry,
               ingest::Shared& shared)
    : io_(io),
      id_(id),
      config_(config),
      registry_(registry),
      cells_(registry.make_cells("")),
      shared_(shared) {}

Worker::~Worker() { stop(); }

std::vector<std::string> Worker::log_directories() const {
  std::vector<std::string> directories;
  const bool unmatched = config_.system.unmatched == config::Unmatched::kDead;
  for (size_t i = 0; i < config_.matches.size() + (unmatched ? 1 : 0); ++i) {
    directories.push_back(log_directory(config_, i, id_));
  }
  return directories;
}

Result<> Worker::open_logs(const std::atomic<bool>& interrupted) {
  for (const std::string& directory : log_directories()) {
    const size_t at = logs_.size();
    auto opened = open_log(directory, output_id(config_, at),
                           at < config_.matches.size() ? config_.matches[at].buffer.total_limit_size
                                                       : config::Buffer{}.total_limit_size,
                           interrupted);
    if (!opened) return opened;
  }
  return build_ingest();
}

// The key bit of an output is the same in every worker.
Result<> Worker::open_log(const std::string& directory, const std::string& output_id,
                          uint64_t total_limit, const std::atomic<bool>& interrupted) {
  CHECK(logs_.size() < buffer::KeyTable::kLogsMax);
  buffer::LogSettings settings{.directory = directory,
                               .output_id = output_id,
                               .worker_id = id_,
                               .total_limit_bytes = total_limit,
                               .key_seed = shared_.key_seed,
                               .keys = shared_.keys.on() ? &shared_.keys : nullptr,
                               .key_bit = buffer::LogBits{1} << logs_.size()};
  auto log = buffer::Log::open(io_, std::move(settings), pool_, registry_, interrupted);
  if (!log) return tl::unexpected(log.error());
  logs_.push_back(std::move(*log));
  return {};
}

Result<> Worker::build_ingest() {
  std::vector<route::Rule> rules;
  std::vector<std::unique_ptr<ingest::Lane>> lanes;
  for (size_t i = 0; i < config_.matches.size(); ++i) {
    rules.push_back(route::Rule{config_.matches[i].patterns, static_cast<int>(i)});
    lanes.push_back(std::make_unique<ingest::Lane>(config_.matches[i], *logs_[i]));
  }
  auto router = route::Router::make(rules);
  if (!router) return tl::unexpected(router.error());
  std::unique_ptr<ingest::Unmatched> unmatched;
  if (has_unmatched()) unmatched = std::make_unique<ingest::Unmatched>(*logs_.back());
  commits_ = std::make_unique<buffer::CommitThread>(
      fmt::format("commit-{}", id_), [this] { loop_.post([this] { ingest_->commits_done(); }); });
  ingest_ = std::make_unique<ingest::Ingest>(ingest::IngestParts{
      .io = io_,
      .router = std::move(*router),
      .lanes = std::move(lanes),
      .unmatched = std::move(unmatched),
      .pool = pool_,
      .commits = *commits_,
      .cells = cells_,
      .shared = shared_,
      .request_submit = [this] { submit_hook_->request(); },
      .submit_soon = [this](bool wanted) { submit_soon(wanted); },
      .wake_for_room = [this] { loop_.post([this] { ingest_->room_came(); }); },
      .post = [this](std::function<void()> task) { loop_.post(std::move(task)); }});
  submit_hook_ = std::make_unique<event::EndOfTurn>(loop_, event::TurnStage::kSubmit,
                                                    [this] { ingest_->submit_what_is_due(); });
  submit_timer_ = std::make_unique<event::Timer>(loop_, [this] { ingest_->submit_what_is_due(); });
  ticker_ = std::make_unique<event::Timer>(loop_, [this] { ingest_->tick(); });
  ticker_->start(kTickMs, kTickMs);
  return {};
}

void Worker::submit_soon(bool wanted) {
  if (wanted) {
    submit_timer_->start(buffer::CommitPace::kWaitUsMax / 1000);
  } else if (submit_timer_->active()) {
    submit_timer_->stop();
  }
}

Result<> Worker::listen(std::vector<uint16_t>& ports) {
  for (size_t i = 0; i < config_.sources.size(); ++i) {
    ingest::Ingest::Inlet& inlet = ingest_->add_inlet();
    const bool first = ports[i] == 0;
    config::ForwardSource source = config_.sources[i];
    if (!first) source.port = ports[i];
    source.connection_limit =
        std::max<uint64_t>(1, source.connection_limit / config_.system.workers);
    auto listener = input::Listener::open(
        loop_, input::ListenerOptions{.source = source, .port_must_be_free = first}, inlet, cells_);
    if (!listener) return tl::unexpected(listener.error());
    inlet.answer_to(**listener);
    ports[i] = (*listener)->port();
    listeners_.push_back(std::move(*listener));
  }
  return {};
}

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), fmt::format("loop-{}", id_).c_str());
    loop_.run();
  });
}

// Runs `task` on the loop and waits for it; at once when the loop does not run.
void Worker::on_loop(const std::function<void()>& task) {
  if (!thread_.joinable()) {
    task();
    return;
  }
  std::promise<void> done;
  loop_.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

bool Worker::wait_on_loop(const std::function<bool()>& condition, uint64_t timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    bool holds = false;
    on_loop([&] { holds = condition(); });
    if (holds || std::chrono::steady_clock::now() >= deadline) return holds;
    std::this_thread::sleep_for(kPollEvery);
  }
}

size_t Worker::flush(buffer::SealReason reason, uint64_t timeout_ms,
                     const std::vector<bool>& chosen) {
  size_t sealed = 0;
  on_loop([&] { sealed = ingest_->seal_all(reason, chosen); });
  wait_on_loop([this] { return ingest_->idle(); }, timeout_ms);
  return sealed;
}

void Worker::prove(uint64_t timeout_ms) {
  size_t pads = 0;
  on_loop([&] { pads = ingest_->prove_all(); });
  if (pads > 0) wait_on_loop([this] { return ingest_->idle(); }, timeout_ms);
}

void Worker::stop_listening(uint64_t timeout_ms) {
  auto open = std::make_shared<std::atomic<size_t>>(listeners_.size());
  on_loop([&] {
    for (const auto& listener : listeners_) {
      listener->close_all(timeout_ms, [open] { --*open; });
    }
  });
  wait_on_loop([&] { return *open == 0 && ingest_->idle(); }, timeout_ms);
}

void Worker::stop() {
  if (thread_.joinable()) {
    on_loop([this] {
      ticker_->stop();
      submit_timer_->stop();
    });
    loop_.stop();
    thread_.join();
    listeners_.clear();  // not before: a task that was posted may still answer them
  }
  if (commits_ != nullptr) commits_->stop();
}

std::vector<size_t> Worker::connections() const {
  std::vector<size_t> counts;
  for (const auto& listener : listeners_) {
    counts.push_back(listener->connections());
  }
  return counts;
}

}  // namespace millrace::app
