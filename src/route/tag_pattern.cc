// SPDX-License-Identifier: Apache-2.0
#include "route/tag_pattern.h"

#include <array>
#include <string>

#include "base/check.h"

namespace millrace::route {
namespace {

constexpr size_t kStatesMax = 2 * TagPattern::kPatternBytesMax + 1;
constexpr std::string_view kBlanks = " \t\r\n\f\v";

tl::unexpected<Error> bad_pattern(std::string_view pattern, const std::string& why) {
  return fail(ErrorKind::kInvalid, "pattern \"" + std::string(pattern) + "\": " + why);
}

}  // namespace

/// Turns the text into the program, piece by piece, as GlobMatchPattern builds its expression: a
/// dot waits until it is known whether ** follows it.
class PatternCompiler {
 public:
  explicit PatternCompiler(std::string_view pattern) : pattern_(pattern) {}

  Result<TagPattern> compile() {
    while (at_ < pattern_.size()) piece();
    if (escaped_) return bad_pattern(pattern_, "a backslash at its end");
    if (!groups_.empty()) {
      return bad_pattern(pattern_, "a { without its } (blanks inside braces split a pattern)");
    }
    emit(Op::kMatch);
    CHECK(out_.program_.size() <= kStatesMax);
    return std::move(out_);
  }

 private:
  using Op = TagPattern::Op;
  // An open brace: the split that leads to the alternative after this one, the jumps to the end.
  struct Group {
    size_t split;
    std::vector<size_t> jumps;
  };

  void emit(Op op, char byte = 0) { out_.program_.push_back({op, byte, 0}); }
  size_t here() const { return out_.program_.size(); }
  void aim(size_t instruction, size_t target) {
    out_.program_[instruction].target = static_cast<uint16_t>(target);
  }

  void piece() {
    const char c = pattern_[at_];
    if (escaped_) {
      emit(Op::kByte, c);
      escaped_ = false;
      ++at_;
      return;
    }
    if (pattern_.substr(at_, 2) == "**") return any_parts();
    if (dot_) emit(Op::kByte, '.');
    dot_ = c == '.';
    ++at_;
    if (dot_) return;
    if (c == '\\') {
      escaped_ = true;
    } else if (c == '*') {
      emit(Op::kRun);
    } else if (c == '{') {
      groups_.push_back({here(), {}});
      emit(Op::kSplit);
    } else if (c == ',' && !groups_.empty()) {
      next_alternative();
    } else if (c == '}' && !groups_.empty()) {
      end_group();
    } else {
      emit(Op::kByte, c);
    }
  }

  // ** alone passes everything; **. passes whole parts, or nothing at the begin of the tag.
  void any_parts() {
    if (dot_) emit(Op::kAtPartEnd);
    dot_ = false;
    if (pattern_.substr(at_, 3) != "**.") {
      emit(Op::kRunAny);
      at_ += 2;
      return;
    }
    const size_t split = here();
    emit(Op::kSplit);
    emit(Op::kRunAny);
    emit(Op::kByte, '.');
    const size_t jump = here();
    emit(Op::kJump);
    aim(split, here());
    emit(Op::kAtBegin);
    aim(jump, here());
    at_ += 3;
  }

  void next_alternative() {
    Group& group = groups_.back();
    group.jumps.push_back(here());
    emit(Op::kJump);
    aim(group.split, here());
    group.split = here();
    emit(Op::kSplit);
  }

  void end_group() {
    const Group& group = groups_.back();
    aim(group.split, group.split + 1);  // the last alternative has none after it
    for (const size_t jump : group.jumps) aim(jump, here());
    groups_.pop_back();
  }

  std::string_view pattern_;
  size_t at_ = 0;
  bool escaped_ = false;
  bool dot_ = false;  // a dot was read and is not written yet
  std::vector<Group> groups_;
  TagPattern out_;
};

/// One tag on its way through a program: the set of instructions that are alive at each byte.
class PatternRun {
 public:
  PatternRun(const TagPattern& pattern, std::string_view tag)
      : program_(pattern.program_.data()), states_(pattern.program_.size()), tag_(tag) {
    for (size_t i = 0; i < states_; ++i) seen_at_[i] = 0;
  }

  bool matches() {
    follow(0);
    while (!(matched_ && at_end())) {
      if (at_ == tag_.size() || alive_count_ == 0) return false;
      step();
    }
    return true;
  }

 private:
  using Op = TagPattern::Op;

  bool at_end() const {
    return at_ == tag_.size() || (at_ + 1 == tag_.size() && tag_[at_] == '\n');
  }

  // Adds every instruction that can be reached from `first` without taking a byte.
  void follow(size_t first) {
    size_t waiting = 0;
    waiting_[waiting++] = static_cast<uint16_t>(first);
    while (waiting > 0) {
      const size_t index = waiting_[--waiting];
      if (seen_at_[index] == at_ + 1) continue;
      seen_at_[index] = static_cast<uint32_t>(at_ + 1);
      const TagPattern::Instruction& instruction = program_[index];
      bool goes_on = true;
      switch (instruction.op) {
        case Op::kByte:
          alive_[alive_count_++] = static_cast<uint16_t>(index);
          goes_on = false;
          break;
        case Op::kRun:
        case Op::kRunAny:
          alive_[alive_count_++] = static_cast<uint16_t>(index);
          break;
        case Op::kSplit:
          waiting_[waiting++] = instruction.target;
          break;
        case Op::kJump:
          waiting_[waiting++] = instruction.target;
          goes_on = false;
          break;
        case Op::kAtBegin:
          goes_on = at_ == 0;
          break;
        case Op::kAtPartEnd:
          goes_on = at_ == tag_.size() || tag_[at_] == '.';
          break;
        case Op::kMatch:
          matched_ = true;
          goes_on = false;
          break;
      }
      if (goes_on) waiting_[waiting++] = static_cast<uint16_t>(index + 1);
    }
  }

  void step() {
    const char byte = tag_[at_++];
    matched_ = false;
    const size_t count = alive_count_;
    std::swap(alive_, before_);
    alive_count_ = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t index = before_[i];
      const TagPattern::Instruction& instruction = program_[index];
      if (instruction.op == Op::kByte) {
        if (instruction.byte == byte) follow(index + 1);
      } else if (instruction.op == Op::kRunAny || byte != '.') {
        follow(index);
      }
    }
  }

  using States = std::array<uint16_t, kStatesMax>;

  const TagPattern::Instruction* program_;
  size_t states_;
  std::string_view tag_;
  size_t at_ = 0;  // bytes taken
  bool matched_ = false;
  size_t alive_count_ = 0;
  States storage_[2];
  uint16_t* alive_ = storage_[0].data();
  uint16_t* before_ = storage_[1].data();
  States waiting_stack_;
  uint16_t* waiting_ = waiting_stack_.data();
  std::array<uint32_t, kStatesMax> seen_at_;
};

Result<TagPattern> TagPattern::compile(std::string_view pattern) {
  if (pattern.empty()) return bad_pattern(pattern, "it is empty");
  if (pattern.size() > kPatternBytesMax) {
    return bad_pattern(pattern.substr(0, 32), "longer than 1024 bytes");
  }
  if (pattern.front() == '/') {
    return bad_pattern(pattern, "regular expressions (/.../) are not supported yet");
  }
  return PatternCompiler(pattern).compile();
}

bool TagPattern::matches(std::string_view tag) const { return PatternRun(*this, tag).matches(); }

Result<std::vector<TagPattern>> compile_patterns(std::string_view patterns) {
  std::vector<TagPattern> compiled;
  size_t begin = patterns.find_first_not_of(kBlanks);
  while (begin != std::string_view::npos) {
    const size_t end = patterns.find_first_of(kBlanks, begin);
    Result<TagPattern> pattern = TagPattern::compile(patterns.substr(begin, end - begin));
    if (!pattern) return tl::unexpected<Error>(pattern.error());
    compiled.push_back(std::move(*pattern));
    begin = patterns.find_first_not_of(kBlanks, end);
  }
  if (compiled.empty()) return fail(ErrorKind::kInvalid, "a pattern must not be empty");
  return compiled;
}

}  // namespace millrace::route
