// SPDX-License-Identifier: Apache-2.0
#include "config/units.h"

#include <charconv>

namespace millrace::config {
namespace {

struct Unit {
  std::string_view suffix;
  uint64_t factor;
};

// Largest first, as the writers need it; the suffix without a letter stands last.
constexpr Unit kSizeUnits[] = {
    {"t", 1ULL << 40}, {"g", 1ULL << 30}, {"m", 1ULL << 20}, {"k", 1ULL << 10}, {"", 1}};
constexpr Unit kDurationUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

// The digits that begin `text`, and the rest; nothing if there are none or they overflow.
std::optional<std::pair<uint64_t, std::string_view>> number_and_suffix(std::string_view text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  return std::pair(number, std::string_view(rest, static_cast<size_t>(end - rest)));
}

std::optional<uint64_t> multiplied(uint64_t number, uint64_t factor) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(number, factor, &product)) return std::nullopt;
  return product;
}

template <size_t N>
std::string text_of(uint64_t value, const Unit (&units)[N], std::string_view zero) {
  if (value == 0) return std::string(zero);
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.suffix);
    }
  }
  return std::to_string(value);
}

}  // namespace

const char* const kSizeForms = R"("300k", "64m", "8g", "1t" or whole bytes)";
const char* const kDurationForms = R"("200ms", "5s", "1m", "72h", "1d" or whole seconds)";

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto parts = number_and_suffix(text);
  if (!parts || parts->second.size() > 1) return std::nullopt;
  for (const Unit& unit : kSizeUnits) {
    const bool equal = parts->second.empty()
                           ? unit.suffix.empty()
                           : !unit.suffix.empty() && (parts->second[0] | 0x20) == unit.suffix[0];
    if (equal) return multiplied(parts->first, unit.factor);
  }
  return std::nullopt;
}

std::optional<uint64_t> parse_duration_ms(std::string_view text) {
  const auto parts = number_and_suffix(text);
  if (!parts) return std::nullopt;
  const std::string_view suffix = parts->second.empty() ? "s" : parts->second;
  for (const Unit& unit : kDurationUnits) {
    if (suffix == unit.suffix) return multiplied(parts->first, unit.factor);
  }
  return std::nullopt;
}

std::string size_text(uint64_t bytes) { return text_of(bytes, kSizeUnits, "0"); }
std::string duration_text(uint64_t ms) { return text_of(ms, kDurationUnits, "0s"); }

}  // namespace millrace::config
