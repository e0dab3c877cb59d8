// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <string>

#include "app/exit_code.h"
#include "cli/commands.h"
#include "cli/control_command.h"

namespace millrace::cli {
namespace {

// Sealing waits for the disk, behind whatever is being written.
constexpr uint64_t kTimeoutMs = 60'000;

}  // namespace

int flush(const Arguments& arguments, Output& out) {
  const auto body = ask_of(arguments, "POST", "/flush", kTimeoutMs);
  if (!body) return body.error();
  const auto answer = nlohmann::json::parse(*body, nullptr, false);
  if (!answer.is_object() || !answer.contains("chunks") || !answer["chunks"].is_number_unsigned()) {
    complain("the service gave an answer that this version does not know");
    return app::kExitUnavailable;
  }
  const auto chunks = answer["chunks"].get<uint64_t>();
  out.write(std::to_string(chunks) + (chunks == 1 ? " chunk" : " chunks") + " flushed\n");
  return out.finish(app::kExitFine);
}

}  // namespace millrace::cli
