// SPDX-License-Identifier: Apache-2.0
#pragma once

// Position files as a healthy process leaves them, told by the fuzzer's bytes, with damage whose
// cost is known: a slot with a byte that differs is lost and counted, a cut loses the slots behind
// it, a bad header loses nothing that the other file's header still tells. Written with
// position_bytes.h alone. Invariant: the fields below are all that a start must find.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/fuzz/choices.h"
#include "tests/support/position_bytes.h"

namespace millrace::testing {

struct ToldLine {
  char kind = 0;
  uint64_t seq = 0;
  std::string id;
  uint64_t attempts = 0;
  uint64_t milliseconds = 0;

  auto operator<=>(const ToldLine&) const = default;
};

struct ToldHeader {
  uint64_t highest_epoch;
  uint64_t highest_seq;
  uint64_t first_lsn;
};

class PositionStory {
 public:
  explicit PositionStory(Choices& choices) : choices_(choices) {
    const uint64_t what = choices_.below(4);
    write("chunks.pos", what == 1);
    if (what >= 1) write("chunks.pos.next", what == 2);
  }

  static constexpr const char* kUuid = "fuzzed log uuid.";

  std::map<std::string, std::string> files;
  std::map<uint64_t, ToldLine> finished;
  std::map<uint64_t, ToldLine> attempts;  // with the most attempts
  std::set<ToldLine> removed;
  uint64_t highest_epoch = 0;
  uint64_t invalid_slots = 0;
  std::vector<uint64_t> invalid_at;  // in chunks.pos
  std::vector<std::string> bad_headers;
  std::optional<ToldHeader> header;  // the first that is good
  bool cut = false;

 private:
  static constexpr int kSlotsMax = 60;
  static constexpr uint64_t kStepBytes = 1 << 20;

  // `may_lose_header`: that of the other file is good.
  void write(const std::string& name, bool may_lose_header) {
    const uint64_t epoch = choices_.below(1000);
    const uint64_t seq = choices_.below(1000) << 40 | choices_.below(1000);
    const uint64_t first_lsn = 4096 * choices_.below(1000);
    std::string text = position_header(kUuid, epoch, seq, first_lsn);
    if (may_lose_header) {
      text[choices_.below(91)] ^= static_cast<char>(1 + choices_.below(255));
      bad_headers.push_back(name);
    } else {
      highest_epoch = std::max({highest_epoch, epoch, seq >> 40});
      if (!header) header = ToldHeader{epoch, seq, first_lsn};
    }
    std::vector<ToldLine> slots;  // kind 0: free, 1: lost
    for (int i = 0; i < kSlotsMax && choices_.more() && !choices_.one_in(64); ++i) {
      slots.push_back(put_slot(text));
    }
    if (choices_.one_in(8)) {
      text.resize(4096 + choices_.below(text.size() - 4095));
    } else if (choices_.one_in(8)) {
      text.resize(kStepBytes, '\0');
    }
    slots.resize(std::min(slots.size(), (text.size() - 4096) / 80));
    for (size_t i = 0; i < slots.size(); ++i) note(slots[i], 4096 + 80 * i, name);
    if (name == "chunks.pos") cut = text.size() != kStepBytes;
    files[name] = text;
  }

  ToldLine put_slot(std::string& text) {
    const uint64_t what = choices_.below(16);
    if (what == 0) {
      text.append(80, '\0');
      return {};
    }
    ToldLine line = choose_line();
    text += position_line(kUuid, line.kind, line.seq, line.id, line.attempts, line.milliseconds);
    if (what == 1) {
      text[text.size() - 80 + choices_.below(80)] ^= static_cast<char>(1 + choices_.below(255));
      line.kind = 1;
    }
    return line;
  }

  // A fact that never becomes untrue: what is told of a chunk twice is the same.
  ToldLine choose_line() {
    ToldLine line{.kind = "CSDXRRGG"[choices_.below(8)]};
    if (line.kind == 'G') {
      line.seq = 4096 * choices_.below(100'000);
      for (const uint64_t value : {choices_.below(1 << 24), line.seq + 4096 * choices_.below(99)}) {
        for (int shift = 56; shift >= 0; shift -= 8) line.id += static_cast<char>(value >> shift);
      }
      line.milliseconds = choices_.below(99);
      return line;
    }
    line.seq = (1 + choices_.below(choices_.one_in(8) ? 0xffffff : 3)) << 40 | choices_.below(20);
    put_le(line.id, line.seq * 0x9e3779b97f4a7c15, 8);
    put_le(line.id, ~line.seq, 8);
    if (line.kind != 'R') line.kind = "CSDX"[line.seq % 4];
    line.attempts = line.kind == 'R' ? choices_.below(65'536) : line.seq % 99;
    line.milliseconds = (line.seq + line.attempts * 7'919) % 10'000'000'000'000;
    return line;
  }

  void note(const ToldLine& line, uint64_t at, const std::string& name) {
    if (line.kind == 0) return;
    if (line.kind == 1) {
      ++invalid_slots;
      if (name == "chunks.pos") invalid_at.push_back(at);
      return;
    }
    const uint64_t epoch = line.kind == 'G' ? epoch_of(line.id) : line.seq >> 40;
    highest_epoch = std::max(highest_epoch, epoch);
    if (line.kind == 'G') {
      removed.insert(line);
    } else if (line.kind != 'R') {
      finished[line.seq] = line;
    } else if (ToldLine& most = attempts[line.seq];
               most.kind == 0 || most.attempts < line.attempts) {
      most = line;
    }
  }

  static uint64_t epoch_of(std::string_view id) {
    uint64_t epoch = 0;
    for (const char byte : id.substr(0, 8)) epoch = epoch << 8 | static_cast<uint8_t>(byte);
    return epoch;
  }

  Choices& choices_;
};

}  // namespace millrace::testing
