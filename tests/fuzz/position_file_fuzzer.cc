// SPDX-License-Identifier: Apache-2.0
// Any bytes as chunks.pos, as they are or with every CRC made right: no more facts than slots, each
// one stands there, and a file written from them reads the same. The first byte chooses: 1 = make
// the CRCs right, 2 = the bytes lie in chunks.pos.next as well. 'W': the rest tells what both files
// hold and where they are damaged; every fact but those that were hit is found, and no other.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/log.h"
#include "buffer/log_files.h"
#include "buffer/position_file.h"
#include "tests/fuzz/position_story.h"
#include "tests/support/log_crcs.h"
#include "tests/support/memory_files.h"

namespace {

using namespace millrace::buffer;
using millrace::testing::MemoryFileSystem;

constexpr std::string_view kUuid = "fuzzed log uuid.";

bool same(const PositionLine& a, const PositionLine& b) {
  return a.kind == b.kind && a.chunk_seq == b.chunk_seq && a.id == b.id &&
         a.attempts == b.attempts && a.milliseconds == b.milliseconds;
}

void check_written_again(const PositionLine& line, const LogCrc& crc) {
  PositionLine again;
  CHECK(decode(encode(line, crc), crc, again) && same(line, again));
}

LogFiles surveyed(MemoryFileSystem& files) {
  millrace::metrics::Cells cells;
  auto found = survey(files, "/log", cells);
  CHECK(found);
  return std::move(*found);
}

// A header block that is right, so that the lines are read with a uuid that is known.
std::string header() {
  return encode(PositionHeader{.uuid = std::string(kUuid), .highest_epoch = 1});
}

bool same(const PositionLine& read, const millrace::testing::ToldLine& told) {
  return read.kind == told.kind && read.chunk_seq == told.seq && read.id.view() == told.id &&
         read.attempts == told.attempts && read.milliseconds == told.milliseconds;
}

void check_lines(const std::map<uint64_t, PositionLine>& read,
                 const std::map<uint64_t, millrace::testing::ToldLine>& told) {
  CHECK(read.size() == told.size());
  for (const auto& [seq, line] : told) {
    CHECK(read.contains(seq) && same(read.at(seq), line));
  }
}

void judge_story(millrace::testing::Choices choices) {
  const millrace::testing::PositionStory story(choices);
  MemoryFileSystem files;
  for (const auto& [name, text] : story.files) files.put("/log/" + name, text);
  const LogFiles found = surveyed(files);
  const PositionFacts& facts = found.position;
  CHECK(found.uuid == story.kUuid && found.highest_epoch == story.highest_epoch);
  check_lines(facts.finished, story.finished);
  check_lines(facts.attempts, story.attempts);
  std::set<millrace::testing::ToldLine> removed;
  for (const PositionLine& line : facts.removed) {
    removed.insert(
        {line.kind, line.chunk_seq, std::string(line.id.view()), line.attempts, line.milliseconds});
    CHECK(line.removed_end_lsn() >= line.chunk_seq);
  }
  CHECK(removed == story.removed);
  CHECK(facts.highest_epoch == story.highest_epoch);
  CHECK(facts.invalid_slots == story.invalid_slots && facts.invalid_at == story.invalid_at);
  CHECK(facts.bad_headers == story.bad_headers && facts.foreign.empty());
  CHECK(!facts.lost && facts.cut == story.cut);
  CHECK(facts.header && facts.header->uuid == story.kUuid);
  CHECK(facts.header->highest_epoch == story.header->highest_epoch);
  CHECK(facts.header->highest_chunk_seq == story.header->highest_seq);
  CHECK(facts.header->first_lsn == story.header->first_lsn);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  millrace::log::configure(millrace::log::Level::kError, millrace::log::Format::kText);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (data[0] == millrace::testing::kTells) {
    judge_story(millrace::testing::Choices({reinterpret_cast<const char*>(data) + 1, size - 1}));
    return 0;
  }
  const LogCrc crc = LogCrc::of(kUuid);
  std::string lines(reinterpret_cast<const char*>(data) + 1, size - 1);

  MemoryFileSystem raw;
  raw.put("/log/chunks.pos", lines);
  surveyed(raw);

  std::string text = header() + lines;
  if ((data[0] & 1) != 0) millrace::testing::forge_position_file(text, crc);
  const uint64_t slots = (text.size() - kPositionHeaderBytes) / kPositionLineBytes;
  MemoryFileSystem files;
  files.put("/log/chunks.pos", text);
  if ((data[0] & 2) != 0) files.put("/log/chunks.pos.next", text);
  const LogFiles found = surveyed(files);
  CHECK(found.uuid == kUuid && found.segments.empty());
  const PositionFacts& facts = found.position;
  const uint64_t copies = (data[0] & 2) != 0 ? 2 : 1;
  CHECK(facts.finished.size() + facts.attempts.size() <= slots);
  CHECK(facts.removed.size() + facts.invalid_slots <= copies * slots);

  std::vector<KeptLine> kept;
  for (const auto* group : {&facts.finished, &facts.attempts}) {
    for (const auto& [seq, line] : *group) {
      check_written_again(line, crc);
      kept.push_back(KeptLine{line, {}});
    }
  }
  for (const PositionLine& line : facts.removed) {
    check_written_again(line, crc);
    if (line.removed_epoch() > UINT32_MAX) continue;
    const PositionLine made =
        make_removed_line(line.chunk_seq, static_cast<uint32_t>(line.removed_epoch()),
                          line.removed_end_lsn(), line.milliseconds);
    CHECK(made.id == line.id && made.chunk_seq == line.chunk_seq && made.kind == line.kind);
  }
  CHECK(PositionFile::begin(files, "/log", PositionHeader{.uuid = found.uuid}, std::move(kept)));
  files.forget_reserved();
  const LogFiles again = surveyed(files);
  CHECK(again.position.invalid_slots == 0);
  CHECK(again.position.finished.size() == facts.finished.size());
  CHECK(again.position.attempts.size() == facts.attempts.size());
  for (const auto& [seq, line] : facts.finished) {
    CHECK(same(line, again.position.finished.at(seq)));
  }
  return 0;
}
