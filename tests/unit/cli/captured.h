// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a command with an input of the test's own and gives what it wrote.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "cli/output.h"

namespace millrace::cli {

/// A temporary file without a name.
inline UniqueFd scratch_file(const std::string& text = "") {
  char name[] = "/tmp/millrace_cli_XXXXXX";
  UniqueFd fd(::mkstemp(name));
  ::unlink(name);
  EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

inline std::string text_of(const UniqueFd& fd) {
  std::string text;
  char buffer[4096];
  ::lseek(fd.get(), 0, SEEK_SET);
  for (ssize_t count; (count = ::read(fd.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

struct Captured {
  int exit_code = -1;
  std::string out;
  std::string complaints;  // stderr
};

using InputCommand = std::function<int(int in, Output& out)>;

inline Captured captured(const std::string& input, const InputCommand& command) {
  const UniqueFd in = scratch_file(input);
  const UniqueFd out = scratch_file();
  Captured result;
  testing::internal::CaptureStderr();
  {
    Output output(out.get());
    result.exit_code = command(in.get(), output);
  }
  result.complaints = testing::internal::GetCapturedStderr();
  result.out = text_of(out);
  return result;
}

}  // namespace millrace::cli
