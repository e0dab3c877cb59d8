// SPDX-License-Identifier: Apache-2.0
#pragma once

// The log: one line an event on stderr, as text or JSON. The message is a constant of its site, the
// data is in keys with units in their names; never a payload, never a secret. Warnings and errors
// are limited by message to a few lines in ten seconds; the next line says how many were held back.
// The only global of the program. All functions may be called from any thread.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace millrace::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError };
enum class Format { kText, kJson };

/// One `key=value`. A string value is cut at kBytesMax and escaped when it is written, so that
/// nothing from outside can make a line, move a cursor or fill a disk.
struct Field {
  std::string_view key;
  std::string text;
  bool quoted = false;  // a string, not a number or a truth value

  static constexpr size_t kBytesMax = 512;

  Field(std::string_view k, std::string_view value)
      : key(k), text(value.substr(0, kBytesMax)), quoted(true) {}
  Field(std::string_view k, const std::string& value) : Field(k, std::string_view(value)) {}
  Field(std::string_view k, const char* value) : Field(k, std::string_view(value)) {}
  Field(std::string_view k, bool value) : key(k), text(value ? "true" : "false") {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Field(std::string_view k, T value)
      : key(k), text(std::to_string(value)) {}
  Field(std::string_view k, double value);
};

using Fields = std::initializer_list<Field>;

/// Sets level and form; before the first call: info, text. Call before threads start.
void configure(Level level, Format format);
bool enabled(Level level);

/// `area` is the folder that speaks, `message` a string literal.
void debug(std::string_view area, const char* message, Fields fields = {});
void info(std::string_view area, const char* message, Fields fields = {});
void warn(std::string_view area, const char* message, Fields fields = {});
void error(std::string_view area, const char* message, Fields fields = {});

}  // namespace millrace::log
