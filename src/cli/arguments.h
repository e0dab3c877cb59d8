// SPDX-License-Identifier: Apache-2.0
#pragma once

// The command line as a struct. The only file that knows the library for it is its .cc; nothing is
// done here, only read. Values; main thread.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace millrace::cli {

enum class Command : uint8_t {
  kRun,
  kCheck,
  kSend,
  kDecode,
  kFlush,
  kStatus,
  kDescribe,
  kVersion,
  kBufferLs,
  kBufferShow,
  kBufferCat,
  kBufferVerify,
  kBufferStats,
  kBufferRequeue,
  kDeadLetter,
  kDeadLetterLs,
  kDeadLetterRm
};

/// Of `millrace buffer`.
struct BufferArguments {
  std::string directory;            // empty: the buffers of the configuration
  std::string output;               // empty: all
  std::vector<std::string> chunks;  // ids as they were written
  std::string state;                // ls
  std::string reason;               // requeue, dead-letter ls and rm
  bool raw = false;                 // cat
  bool all = false;                 // requeue, dead-letter rm
  bool force = false;               // requeue
  bool yes = false;                 // dead-letter rm
};

struct Arguments {
  Command command = Command::kVersion;
  std::string config_path;  // run, check, flush, status, buffer
  std::string socket_path;  // flush, status; empty: that of the configuration
  bool json = false;        // status, version, buffer

  std::string tag;  // send
  std::string host;
  uint16_t port = 0;
  bool ack = false;
  std::string time;  // empty: now
  uint64_t timeout_ms = 0;

  bool meta = false;   // decode
  bool dedup = false;  // decode
  std::vector<std::string> files;

  std::string format;  // describe: "toml" or "text"

  BufferArguments buffer;
};

/// What to print instead of doing anything: a help text (exit code 0) or what is wrong (64).
struct UsageText {
  int exit_code = 0;
  std::string text;
};

std::variant<Arguments, UsageText> parse_arguments(int argc, const char* const* argv);

}  // namespace millrace::cli
