// SPDX-License-Identifier: Apache-2.0
#include "app/exit_code.h"
#include "cli/commands.h"

namespace millrace::cli {

int version(const Arguments& arguments, Output& out) {
  out.write(arguments.json ? "{\"version\":\"" MILLRACE_VERSION "\"}\n"
                           : "millrace " MILLRACE_VERSION "\n");
  return out.finish(app::kExitFine);
}

}  // namespace millrace::cli
