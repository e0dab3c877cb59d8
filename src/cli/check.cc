// SPDX-License-Identifier: Apache-2.0
#include "app/exit_code.h"
#include "cli/commands.h"
#include "cli/configuration.h"

namespace millrace::cli {

// Reads files and the environment, and nothing else: no port, no root_dir.
int check(const Arguments& arguments, Output& out) {
  const auto loaded = load_configuration(arguments.config_path);
  if (!loaded) return out.finish(loaded.error());
  print_problems(loaded->warnings);
  out.write(arguments.config_path + ": ok\n");
  return out.finish(app::kExitFine);
}

}  // namespace millrace::cli
