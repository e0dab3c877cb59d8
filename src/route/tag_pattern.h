// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tag patterns of Fluentd v1 (lib/fluent/match.rb, GlobMatchPattern), compiled once into a
// small automaton and run over a tag without allocation and without backtracking: a match costs at
// most pattern length times tag length.
//   *      a run without dots inside one part, may be empty
//   **     any number of parts: a.** matches a, a.b, a.b.c; **.a matches a, x.a; a** matches ab.c
//   {x,y}  either, may nest; \c the character c; anything else itself, byte by byte
// As there, one newline at the end of a tag is not seen, and a dot that ends a pattern is none.
// Other than there, ** also passes newlines: a tag that holds one is still routed.
// No regular expressions (/re/) yet. A value after compile(); any thread.
// Invariant: every jump of program_ stays inside it, and its last instruction is kMatch.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::route {

class TagPattern {
 public:
  /// Bytes of one pattern; the automaton has fewer than twice as many states.
  static constexpr size_t kPatternBytesMax = 1024;

  /// Compiles one pattern, without blanks.
  static Result<TagPattern> compile(std::string_view pattern);

  bool matches(std::string_view tag) const;

 private:
  friend class PatternCompiler;
  friend class PatternRun;

  enum class Op : uint8_t {
    kByte,       // takes `byte`
    kRun,        // takes any number of bytes that are no dot
    kRunAny,     // takes any number of bytes
    kSplit,      // goes on at the next and at `target`
    kJump,       // goes on at `target`
    kAtBegin,    // goes on only before the first byte
    kAtPartEnd,  // goes on only before a dot or at the end
    kMatch,
  };
  struct Instruction {
    Op op = Op::kMatch;
    char byte = 0;
    uint16_t target = 0;
  };

  std::vector<Instruction> program_;
};

/// Splits `patterns` at blanks and compiles each; at least one. Fluentd's way to say "any of".
Result<std::vector<TagPattern>> compile_patterns(std::string_view patterns);

}  // namespace millrace::route
