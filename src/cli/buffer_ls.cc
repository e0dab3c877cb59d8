// SPDX-License-Identifier: Apache-2.0
#include "app/exit_code.h"
#include "cli/chunk_row.h"
#include "cli/commands.h"
#include "io/real.h"

namespace millrace::cli {
namespace {

// What was finished is of no interest unless it is asked for.
bool is_wanted(const ChunkRow& row, const std::string& state) {
  if (state.empty()) return row.state != "finished";
  return state == "all" || row.state == state;
}

}  // namespace

int buffer_ls(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  const auto places = find_logs(files, arguments);
  if (!places) return out.finish(places.error());
  int code = app::kExitFine;
  if (!arguments.json) out.write(table_head());
  for (const LogPlace& place : *places) {
    auto log = view_log(files, place, false);
    if (!log) {
      code = worse(code, complain_of_error(place.directory, log.error()));
      continue;
    }
    code = worse(code, log->code);
    for (const ChunkRow& row : rows_of(*log)) {
      if (!is_wanted(row, arguments.buffer.state)) continue;
      if (!out.write(arguments.json ? json_line(row) : table_line(row))) return out.finish(code);
    }
  }
  return out.finish(code);
}

}  // namespace millrace::cli
