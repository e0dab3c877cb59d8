// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "app/exit_code.h"
#include "cli/commands.h"

namespace {

using millrace::cli::Arguments;
using millrace::cli::Command;
using millrace::cli::Output;

int run_command(const Arguments& arguments, Output& out) {
  switch (arguments.command) {
    case Command::kRun:
      return millrace::cli::run(arguments);
    case Command::kCheck:
      return millrace::cli::check(arguments, out);
    case Command::kSend:
      return millrace::cli::send(arguments, STDIN_FILENO, out);
    case Command::kDecode:
      return millrace::cli::decode(arguments, STDIN_FILENO, out);
    case Command::kFlush:
      return millrace::cli::flush(arguments, out);
    case Command::kStatus:
      return millrace::cli::status(arguments, out);
    case Command::kDescribe:
      return millrace::cli::describe(arguments, out);
    case Command::kBufferLs:
      return millrace::cli::buffer_ls(arguments, out);
    case Command::kBufferShow:
      return millrace::cli::buffer_show(arguments, out);
    case Command::kBufferCat:
      return millrace::cli::buffer_cat(arguments, out);
    case Command::kBufferVerify:
      return millrace::cli::buffer_verify(arguments, out);
    case Command::kBufferStats:
      return millrace::cli::buffer_stats(arguments, out);
    case Command::kBufferRequeue:
      return millrace::cli::buffer_requeue(arguments, out);
    case Command::kDeadLetter:
      return millrace::cli::dead_letter(arguments, out);
    case Command::kDeadLetterLs:
      return millrace::cli::dead_letter_ls(arguments, out);
    case Command::kDeadLetterRm:
      return millrace::cli::dead_letter_rm(arguments, out);
    case Command::kVersion:
      break;
  }
  return millrace::cli::version(arguments, out);
}

int run_main(int argc, char** argv) {
  const auto parsed = millrace::cli::parse_arguments(argc, argv);
  if (const auto* arguments = std::get_if<Arguments>(&parsed)) {
    Output out(STDOUT_FILENO);
    return run_command(*arguments, out);
  }
  const auto& usage = std::get<millrace::cli::UsageText>(parsed);
  Output text(usage.exit_code == 0 ? STDOUT_FILENO : STDERR_FILENO);
  text.write(usage.text);
  return text.finish(usage.exit_code);
}

}  // namespace

int main(int argc, char** argv) {
  // A peer or reader that went away is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run_main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "millrace: a bug: %s\n", error.what());
    return millrace::app::kExitBug;
  }
}
