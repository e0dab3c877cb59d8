// SPDX-License-Identifier: Apache-2.0
#include "config/describe.h"

#include "app/exit_code.h"
#include "cli/commands.h"

namespace millrace::cli {

int describe(const Arguments& arguments, Output& out) {
  out.write(arguments.format == "toml" ? config::describe_toml() : config::describe_text());
  return out.finish(app::kExitFine);
}

}  // namespace millrace::cli
