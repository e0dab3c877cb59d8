// SPDX-License-Identifier: Apache-2.0
#include "cli/control_command.h"

#include "app/exit_code.h"
#include "cli/configuration.h"
#include "cli/control_client.h"
#include "cli/output.h"

namespace millrace::cli {

tl::expected<std::string, int> ask_of(const Arguments& arguments, std::string_view method,
                                      std::string_view target, uint64_t timeout_ms) {
  std::string path = arguments.socket_path;
  if (path.empty()) {
    const auto configured = control_socket_of(arguments.config_path);
    if (!configured) return tl::unexpected(configured.error());
    path = *configured;
  }
  const auto answer = ask_service(path, method, target, timeout_ms);
  if (!answer) {
    complain(answer.error().message);
    const bool permission = answer.error().kind == ErrorKind::kPermission;
    return tl::unexpected(permission ? app::kExitPermission : app::kExitUnavailable);
  }
  if (answer->status != 200) {
    std::string sentence = answer->body.substr(0, answer->body.find('\n'));
    complain("the service refused: " + sentence);
    return tl::unexpected(app::kExitUnavailable);
  }
  return answer->body;
}

}  // namespace millrace::cli
