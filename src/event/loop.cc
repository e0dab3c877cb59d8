// SPDX-License-Identifier: Apache-2.0
#include "event/loop.h"

#include <uv.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/check.h"

namespace millrace::event {

void Loop::LoopCloser::operator()(uv_loop_s* loop) const noexcept {
  uv_run(loop, UV_RUN_DEFAULT);  // the close callbacks
  CHECK(uv_loop_close(loop) == 0);
  delete loop;
}

Loop::Loop() {
  // libuv writes to sockets with plain write(): a peer that has gone must be an error, not a
  // signal.
  (void)std::signal(SIGPIPE, SIG_IGN);
  auto* loop = new uv_loop_t;
  CHECK(uv_loop_init(loop) == 0);
  loop_.reset(loop);
  wake_.reset(new uv_async_t);
  CHECK(uv_async_init(loop, wake_.get(), [](uv_async_t* handle) {
          static_cast<Loop*>(handle->data)->run_posted();
        }) == 0);
  wake_->data = this;
  before_poll_.reset(new uv_prepare_t);
  CHECK(uv_prepare_init(loop, before_poll_.get()) == 0);
  before_poll_->data = this;
  after_poll_.reset(new uv_check_t);
  CHECK(uv_check_init(loop, after_poll_.get()) == 0);
  after_poll_->data = this;
  uv_prepare_start(before_poll_.get(), [](uv_prepare_t* handle) {
    static_cast<Loop*>(handle->data)->run_hooks_before_poll();
  });
  uv_check_start(after_poll_.get(),
                 [](uv_check_t* handle) { static_cast<Loop*>(handle->data)->run_hooks(); });
}

Loop::~Loop() {
  CHECK(thread_.load() == std::thread::id());
  CHECK(hooks_[0].empty() && hooks_[1].empty());
}

void Loop::run() {
  CHECK(thread_.load() == std::thread::id());
  thread_ = std::this_thread::get_id();
  uv_run(loop_.get(), UV_RUN_DEFAULT);
  thread_ = std::thread::id();
  const std::lock_guard lock(mutex_);
  stopping_ = false;
}

void Loop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
}

void Loop::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  wake();
}

void Loop::wake() { CHECK(uv_async_send(wake_.get()) == 0); }

bool Loop::is_on_thread() const {
  const std::thread::id thread = thread_.load();
  return thread == std::thread::id() || thread == std::this_thread::get_id();
}

uint64_t Loop::now_ms() const { return uv_now(loop_.get()); }

void Loop::run_posted() {
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
    stopping = stopping_;
  }
  for (Task& task : running_) task();
  running_.clear();
  if (stopping) uv_stop(loop_.get());
}

void Loop::run_hooks() {
  for (std::vector<EndOfTurn*>& stage : hooks_) {
    // By index: a hook may add hooks.
    for (size_t i = 0; i < stage.size(); ++i) stage[i]->callback_();
  }
}

void Loop::run_hooks_before_poll() {
  before_poll_now_ = true;
  run_hooks();
  before_poll_now_ = false;
}

void Loop::add_hook(EndOfTurn* hook, TurnStage stage) {
  CHECK(is_on_thread());
  hooks_[static_cast<size_t>(stage)].push_back(hook);
}

void Loop::remove_hook(EndOfTurn* hook) {
  CHECK(is_on_thread());
  for (std::vector<EndOfTurn*>& stage : hooks_) std::erase(stage, hook);
}

EndOfTurn::EndOfTurn(Loop& loop, TurnStage stage, std::function<void()> callback)
    : loop_(loop), callback_(std::move(callback)) {
  loop_.add_hook(this, stage);
}

EndOfTurn::~EndOfTurn() { loop_.remove_hook(this); }

void EndOfTurn::request() {
  // Everywhere else the hooks are still to come before the loop sleeps.
  if (loop_.before_poll_now_) loop_.wake();
}

}  // namespace millrace::event
