// SPDX-License-Identifier: Apache-2.0
#include "app/app.h"
#include "cli/commands.h"
#include "cli/configuration.h"

namespace millrace::cli {

int run(const Arguments& arguments) {
  const auto loaded = load_configuration(arguments.config_path);
  return loaded ? app::run(*loaded) : loaded.error();
}

}  // namespace millrace::cli
