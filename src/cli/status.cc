// SPDX-License-Identifier: Apache-2.0
#include "app/exit_code.h"
#include "cli/commands.h"
#include "cli/control_command.h"
#include "cli/status_text.h"

namespace millrace::cli {
namespace {

constexpr uint64_t kTimeoutMs = 10'000;

}  // namespace

int status(const Arguments& arguments, Output& out) {
  const auto body = ask_of(arguments, "GET", "/status", kTimeoutMs);
  if (!body) return body.error();
  const auto text = status_text(*body);
  if (!text) {
    complain("the service gave an answer that this version does not know");
    return app::kExitUnavailable;
  }
  out.write(arguments.json ? *body : *text);
  return out.finish(app::kExitFine);
}

}  // namespace millrace::cli
