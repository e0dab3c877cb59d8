// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands, one per file. Each takes its arguments, does its work and returns the exit code
// (app/exit_code.h); input comes from the descriptor `in`, results go to `out`, what is wrong to
// stderr. Main thread; SIGPIPE is ignored.

#include "cli/arguments.h"
#include "cli/output.h"

namespace millrace::cli {

int run(const Arguments& arguments);
int check(const Arguments& arguments, Output& out);
int send(const Arguments& arguments, int in, Output& out);
int decode(const Arguments& arguments, int in, Output& out);
int flush(const Arguments& arguments, Output& out);
int status(const Arguments& arguments, Output& out);
int describe(const Arguments& arguments, Output& out);
int version(const Arguments& arguments, Output& out);

// `millrace buffer ...`
int buffer_ls(const Arguments& arguments, Output& out);
int buffer_show(const Arguments& arguments, Output& out);
int buffer_cat(const Arguments& arguments, Output& out);
int buffer_verify(const Arguments& arguments, Output& out);
int buffer_stats(const Arguments& arguments, Output& out);
int buffer_requeue(const Arguments& arguments, Output& out);
int dead_letter(const Arguments& arguments, Output& out);
int dead_letter_ls(const Arguments& arguments, Output& out);
int dead_letter_rm(const Arguments& arguments, Output& out);

}  // namespace millrace::cli
