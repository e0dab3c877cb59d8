// SPDX-License-Identifier: Apache-2.0
#include "config/toml_gate.h"

#include "base/utf8.h"
#include "config/config_file.h"

namespace millrace::config {
namespace {

// TOML 1.0.0, "Comment" and "String"; a carriage return may end a line.
bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r') || c == 0x7f;
}

// Walks the text once. A string on one line ends with the line at the latest.
class Gate {
 public:
  explicit Gate(std::string_view text) : text_(text) {}

  std::optional<TextFault> run() {
    while (at_ < text_.size() && !fault_) step();
    return fault_;
  }

 private:
  enum class In { kCode, kComment, kString, kMultiLine };

  void step() {
    const char c = text_[at_];
    if (c == '\n') return end_line();
    if (at_ - line_start_ >= kLineBytesMax) return refuse("the line is longer than 64 KiB");
    if (static_cast<unsigned char>(c) >= 0x80) return step_utf8();
    if (c == '\0') return refuse("a NUL character");
    if (is_control(c)) return refuse("a control character; only tabs may stand in a file of TOML");
    switch (in_) {
      case In::kCode:
        step_code(c);
        break;
      case In::kComment:
        break;
      case In::kString:
      case In::kMultiLine:
        step_string(c);
        break;
    }
    ++at_;
  }

  void step_utf8() {
    const char* const begin = text_.data() + at_;
    const size_t size = utf8_sequence_size(begin, text_.data() + text_.size());
    if (size == 0) return refuse("a byte that is not valid UTF-8");
    at_ += size;
  }

  void step_code(char c) {
    switch (c) {
      case '#':
        in_ = In::kComment;
        break;
      case '"':
      case '\'':
        quote_ = c;
        in_ = triple_quote() ? In::kMultiLine : In::kString;
        if (in_ == In::kMultiLine) at_ += 2;
        break;
      case '=':
      case ',':
        count_value();
        break;
      case '[':
      case '{':
        count_value();
        if (++depth_ > kBracketDepthMax) refuse("brackets are nested deeper than 64");
        break;
      case ']':
      case '}':
        if (depth_ > 0) --depth_;
        break;
      case '.':
        if (++dots_ > kDotsPerLineMax) refuse("more than 64 dots on a line, outside of strings");
        break;
      default:
        break;
    }
  }

  // Each value has one of these marks before it.
  void count_value() {
    if (++values_ > kValuesMax) refuse("more than 10000 values");
  }

  void step_string(char c) {
    // Of what an escape may hold, only these two could be taken for something else.
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (c == '\\' && quote_ == '"' && (next == '"' || next == '\\')) {
      ++at_;
    } else if (c == quote_ && in_ == In::kString) {
      in_ = In::kCode;
    } else if (c == quote_ && triple_quote()) {
      at_ += 2;
      // One or two quotes may stand before the closing three.
      while (at_ + 1 < text_.size() && text_[at_ + 1] == quote_) ++at_;
      in_ = In::kCode;
    }
  }

  bool triple_quote() const {
    return text_.substr(at_, 3) == std::string_view(quote_ == '"' ? "\"\"\"" : "'''");
  }

  void end_line() {
    if (in_ != In::kMultiLine) in_ = In::kCode;
    ++at_;
    ++line_;
    line_start_ = at_;
    dots_ = 0;
  }

  void refuse(const char* what) {
    fault_ = TextFault{line_, static_cast<uint32_t>(at_ - line_start_ + 1), what};
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
  In in_ = In::kCode;
  char quote_ = '"';
  size_t depth_ = 0;
  size_t dots_ = 0;
  size_t values_ = 0;
  std::optional<TextFault> fault_;
};

}  // namespace

std::optional<TextFault> gate_toml(std::string_view text) {
  if (text.size() > kConfigBytesMax) return TextFault{1, 1, "the file is larger than 4 MiB"};
  return Gate(text).run();
}

}  // namespace millrace::config
