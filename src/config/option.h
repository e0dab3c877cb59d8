// SPDX-License-Identifier: Apache-2.0
#pragma once

// One option of the configuration, declared once: parsing, bounds, error messages, `describe` and
// conf/millrace.toml all come from these declarations. A Section is the options of one table of the
// file; those with a `type` exist only in a [[source]] or [[match]] of that type.
// Constants; any thread. Invariant: default_text is a valid value within the bounds, or empty.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace millrace::config {

enum class Type : uint8_t {
  kSize,      // bytes
  kDuration,  // milliseconds
  kInteger,
  kNumber,
  kBoolean,
  kString,
  kStrings,  // one string or an array of strings
  kEnum,     // one of `words`
};

/// kSize, kDuration, kInteger: uint64_t. kEnum: the index of the word, also uint64_t.
using Value = std::variant<uint64_t, double, bool, std::string, std::vector<std::string>>;

/// Puts a value of the option's type into its member of the model.
using Setter = void (*)(void* object, const Value& value);

// In the order in which a row is read.
struct Option {  // NOLINT(clang-analyzer-optin.performance.Padding)
  const char* name;
  Type type;
  const char* default_text = "";  // without quotes; "": no default, or one that `help` tells
  const char* example = "";       // what conf/millrace.toml shows when there is no default
  /// Bounds of the value; of a string, and of each of several, its length in characters.
  uint64_t min = 0;
  uint64_t max = std::numeric_limits<uint64_t>::max();
  std::span<const char* const> words{};  // kEnum, in the order of the enum's values
  /// What is wrong with a string, as the end of a sentence ("has no scheme"); nullptr: nothing.
  const char* (*complaint)(std::string_view) = nullptr;
  bool required = false;
  bool shown = false;       // no comment in conf/millrace.toml, though it has a default
  bool reloadable = false;  // can change without a restart
  bool secret = false;      // never printed, not allowed in a file that everybody may read
  const char* help;         // one or two sentences for an operator
  Setter set;
};

struct Section {
  const char* path;  // "system", "match", "match.buffer", "source.security.user" and so on
  const char* type;  // "": every type
  std::span<const Option> options;
  bool list = false;  // [[path]], any number of times
  /// The struct that a table of this section fills, in that of the section above it; of a list a
  /// new one. nullptr: the same struct.
  void* (*open)(void* above) = nullptr;
};

/// All sections in the order of the file.
std::span<const Section> sections();

/// The section's header as in a file: [match.buffer], [[match]].
std::string header_text(std::string_view path);

/// The value that `text` (default_text, or a word of the file) stands for; nothing if it is not of
/// the option's type. Bounds are not looked at. kStrings: one string.
std::optional<Value> value_from_text(const Option& option, std::string_view text);

/// The Setter of a member, told by the way to it: set_member<Match, &Match::buffer, &Buffer::path>.
template <class Struct, auto... kPath>
void set_member(void* object, const Value& value) {
  auto& member = ((*static_cast<Struct*>(object)).*....*kPath);
  using Member = std::remove_reference_t<decltype(member)>;
  if constexpr (std::is_enum_v<Member> || std::is_same_v<Member, uint32_t> ||
                std::is_same_v<Member, uint16_t>) {
    member = static_cast<Member>(std::get<uint64_t>(value));
  } else {
    member = std::get<Member>(value);
  }
}

}  // namespace millrace::config
