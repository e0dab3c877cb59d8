// SPDX-License-Identifier: Apache-2.0
#include "config/report.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "config/secret_line.h"

namespace millrace::config {
namespace {

constexpr size_t kLineShownMax = 120;

// `line` from `begin` on, cut to what a terminal shows; control characters and bad bytes replaced.
std::string shown(std::string_view line) {
  std::string text = utf8_repaired(line);
  for (char& c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = '?';
  }
  return text;
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Blanks as wide as `text`; tabs stay tabs.
std::string blanks_for(std::string_view text) {
  std::string blanks;
  for (const char c : text) {
    if ((c & 0xc0) != 0x80) blanks += c == '\t' ? '\t' : ' ';
  }
  return blanks;
}

// First byte of a character at or before `at`.
size_t character_start(std::string_view text, size_t at) {
  at = std::min(at, text.size());
  while (at > 0 && at < text.size() && (text[at] & 0xc0) == 0x80) --at;
  return at;
}

std::string source_text(const Problem& problem) {
  std::string_view line = problem.source_line;
  size_t caret = std::min<size_t>(problem.column - 1, line.size());
  std::string before;
  if (line.size() > kLineShownMax && caret > kLineShownMax / 2) {
    const size_t cut = character_start(line, caret - kLineShownMax / 2);
    line.remove_prefix(cut);
    caret -= cut;
    before = "...";
  }
  std::string after;
  if (line.size() > kLineShownMax) {
    line = line.substr(0, character_start(line, kLineShownMax));
    after = "...";
  }
  caret = character_start(line, caret);
  const size_t end = std::min<size_t>(caret + std::max(problem.width, 1U), line.size());
  const std::string head = before + shown(line.substr(0, caret));
  const std::string marked = shown(line.substr(caret, end - caret));
  const std::string margin = std::to_string(problem.line) + " | ";
  return "  " + margin + head + marked + shown(line.substr(end)) + after + "\n  " +
         blanks_for(margin) + blanks_for(head) +
         std::string(std::max<size_t>(characters(marked), 1), '^') + "\n";
}

}  // namespace

std::string problem_text(const Problem& problem) {
  std::string text = shown(problem.file) + ":";
  if (problem.line > 0) text += std::to_string(problem.line) + ":";
  text += problem.warning ? " warning: " : " ";
  text += shown(problem.what) + "\n";
  if (problem.line > 0 && !problem.source_line.empty()) text += source_text(problem);
  if (!problem.note.empty()) text += "  " + shown(problem.note) + "\n";
  return text;
}

std::string problems_text(const std::vector<Problem>& problems) {
  std::string text;
  const size_t count = std::min(problems.size(), kProblemsShownMax);
  for (size_t i = 0; i < count; ++i) text += problem_text(problems[i]);
  if (problems.size() > count) {
    text += "and " + std::to_string(problems.size() - count) + " more\n";
  }
  return text;
}

uint32_t Report::add_file(ConfigFile file) {
  files_.push_back(std::move(file));
  return static_cast<uint32_t>(files_.size() - 1);
}

void Report::add(bool warning, bool key_only, const Place& place, std::string what,
                 std::string note) {
  Problem problem{.warning = warning,
                  .file = files_[place.file].name,
                  .line = place.line,
                  .what = std::move(what),
                  .note = std::move(note),
                  .source_line = {},
                  .column = place.column,
                  .width = place.width};
  entries_.push_back({place, key_only, std::move(problem)});
  if (!warning) ++error_count_;
}

void Report::error(const Place& place, std::string what, std::string note) {
  add(false, false, place, std::move(what), std::move(note));
}

void Report::error_of_key(const Place& place, std::string what, std::string note) {
  add(false, true, place, std::move(what), std::move(note));
}

void Report::warning(const Place& place, std::string what, std::string note) {
  add(true, false, place, std::move(what), std::move(note));
}

std::string Report::where(const Place& place) const {
  return files_[place.file].name + ":" + std::to_string(place.line);
}

std::vector<Problem> Report::sorted(bool warnings) const {
  std::vector<const Entry*> order;
  for (const Entry& entry : entries_) {
    if (entry.problem.warning == warnings) order.push_back(&entry);
  }
  std::stable_sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->place.file, a->place.line) < std::pair(b->place.file, b->place.line);
  });
  std::vector<Problem> problems;
  for (const Entry* entry : order) {
    problems.push_back(entry->problem);
    // To look for a secret takes time that grows with the file, so only what is shown pays it.
    if (problems.size() <= kProblemsShownMax) problems.back().source_line = source_line(*entry);
  }
  return problems;
}

std::string Report::source_line(const Entry& entry) const {
  const Place& place = entry.place;
  if (place.line == 0) return {};
  std::string line = line_without_secret(files_[place.file].text, place.line);
  const size_t key_end = place.column - 1 + place.width;
  if (entry.key_only && line.size() > key_end) line = line.substr(0, key_end) + " ...";
  return line;
}

}  // namespace millrace::config
