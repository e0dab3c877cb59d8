// SPDX-License-Identifier: Apache-2.0
// A whole configuration file from a stranger: the gate, the TOML library behind it, the option
// table, the checks, and the text of the errors. Nothing may crash, and a file that loads keeps to
// the bounds of the table.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/reader.h"
#include "config/report.h"
#include "config/toml_front.h"
#include "config/toml_gate.h"
#include "config/validate.h"

using namespace millrace::config;  // NOLINT

namespace {

std::optional<std::string> environment(const std::string& name) {
  if (name == "A") return "value";
  return std::nullopt;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Report report;
  const bool world_readable = size > 0 && data[size - 1] == '\n';
  const std::string text(reinterpret_cast<const char*>(data), size);
  const uint32_t file = report.add_file({"f.toml", text, world_readable});
  LoadOptions options;
  options.environment = environment;
  Draft draft;
  if (const auto root = parse_toml(file, report)) {
    require(!gate_toml(text));
    read_document(*root, options.environment, draft, report);
    for (const IncludePattern& pattern : read_include(*root, options.environment, report)) {
      require(!pattern.text.empty());
    }
    fill_ids(draft);
    validate(draft, options, report);
  } else {
    require(report.error_count() > 0);
  }
  const std::string printed = problems_text(report.errors()) + problems_text(report.warnings());
  for (const char c : printed) {
    require(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20);
  }
  require(draft.config.system.workers >= 1 && draft.config.system.workers <= 64);
  for (const Match& match : draft.config.matches) {
    require(match.format.record_limit >= (64 << 10) && match.buffer.flush_thread_count >= 1);
  }
  return 0;
}
