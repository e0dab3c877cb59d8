// SPDX-License-Identifier: Apache-2.0
// A golden buffer with damage of every kind, recovered and drained: it never crashes, and a chunk
// that is not marked damaged has exactly the bytes and the key it was stored with. With the CRCs
// made right after the damage (a forger's log) it still does not crash.
// Byte 0 chooses the buffer and, with its highest bit, the forger; 8 bytes follow for each change:
// what, which file, where (3 bytes), with what (3 bytes). Byte 0 = 'W': the rest tells what a log
// holds and where it is damaged; all that the damage did not hit is recovered, and nothing else.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "base/log.h"
#include "buffer/position_line.h"
#include "tests/fuzz/recovery_judge.h"
#include "tests/support/log_crcs.h"

namespace {

using namespace millrace::buffer;
using millrace::testing::drain;
using millrace::testing::Drained;
using millrace::testing::LogFilesByName;
using millrace::testing::Stored;
using millrace::testing::StoredById;

constexpr const char* kNames[] = {"kpl", "kpl-fluentd", "local", "unmatched", "opaque"};
constexpr size_t kChangesMax = 24;
constexpr size_t kFileBytesMax = 1 << 20;

struct Golden {
  LogFilesByName files;
  std::string uuid;
  StoredById stored;  // all chunks, also those that were finished
};

// The preallocated ends say nothing here and take time.
std::string trimmed(const std::string& bytes) {
  const size_t end = bytes.find_last_not_of('\0') + 1;
  return bytes.substr(0, round_up(end, kBlockBytes));
}

const std::vector<Golden>& goldens() {
  static const std::vector<Golden> loaded = [] {
    std::vector<Golden> all;
    for (const char* name : kNames) {
      Golden golden;
      for (const auto& [file, bytes] : millrace::testing::read_golden(name)) {
        if (file.find('/') == std::string::npos) golden.files[file] = trimmed(bytes);
      }
      LogFilesByName unfinished = golden.files;
      unfinished.erase("chunks.pos");
      millrace::testing::MemoryFileSystem files;
      Drained drained = drain(unfinished, files);
      CHECK(drained.opened && !drained.chunks.empty());
      golden.stored = std::move(drained.chunks);
      golden.uuid = *millrace::hex_decode(golden.files.at("chunks.pos").substr(7, 32));
      all.push_back(std::move(golden));
    }
    return all;
  }();
  return loaded;
}

struct Change {
  uint8_t what;
  uint8_t file;
  size_t at;
  uint32_t value;
};

// Another number in the header of the n-th group or in one of its first frames.
void change_field(std::string& bytes, size_t n, size_t offset, uint32_t value) {
  size_t at = bytes.find(kGroupMagic, kSegmentHeaderBytes);
  for (; n > 0 && at != std::string::npos; --n) {
    at = bytes.find(kGroupMagic, at + 4);
  }
  if (at == std::string::npos) return;
  at += offset % 256 / 4 * 4;
  const uint32_t extended = (value & 0x800000) != 0 ? value | 0xff000000 : value;
  if (at + 4 <= bytes.size()) millrace::store_le<uint32_t>(&bytes[at], extended);
}

void damage(LogFilesByName& files, const Change& change) {
  if (files.empty()) return;
  const auto chosen = std::next(files.begin(), change.file % static_cast<long>(files.size()));
  std::string& bytes = chosen->second;
  const size_t at = bytes.empty() ? 0 : change.at % bytes.size();
  const size_t block = at / 512 * 512;
  switch (change.what % 10) {
    case 0:  // flipped bits
      if (!bytes.empty()) bytes[at] ^= static_cast<char>(change.value);
      break;
    case 1:  // another number
      if (at + 4 <= bytes.size()) millrace::store_le<uint32_t>(&bytes[at], change.value);
      break;
    case 2:  // a lost sector
      std::fill_n(bytes.begin() + static_cast<long>(block),
                  std::min<size_t>(512, bytes.size() - block), '\0');
      break;
    case 3:  // cut off
      bytes.resize(at);
      break;
    case 4:  // a lost file
      files.erase(chosen);
      break;
    case 5:  // sectors of elsewhere
      if (!bytes.empty()) {
        const std::string moved = bytes.substr(change.value % bytes.size() / 512 * 512, 4096);
        bytes.replace(block, std::min(moved.size(), bytes.size() - block),
                      moved.substr(0, bytes.size() - block));
      }
      break;
    case 6:  // the same bytes twice
      if (bytes.size() < kFileBytesMax) bytes.append(bytes.substr(block, 65'536));
      break;
    case 7:
      change_field(bytes, change.at & 255, change.at >> 8, change.value);
      break;
    case 8: {  // a copy under another name
      const std::string copy = bytes;
      files["seg." + millrace::hex_encode(std::string(3, '\0')) +
            millrace::hex_encode(std::string(1, static_cast<char>(change.value))) + "." +
            millrace::hex_encode(std::string(5, '\0')) +
            millrace::hex_encode(std::string{static_cast<char>(change.value >> 8),
                                             static_cast<char>(change.value >> 16), '\0'}) +
            ".log"] = copy;
      break;
    }
    default: {  // another name
      std::string moved = std::move(bytes);
      std::string name = chosen->first;
      name[change.at % name.size()] = static_cast<char>(change.value);
      files.erase(chosen);
      if (name.find('/') == std::string::npos && name.find('\0') == std::string::npos) {
        files[name] = std::move(moved);
      }
    }
  }
}

void check_nothing_invented(const Golden& golden, const Drained& drained) {
  for (const auto& [id, chunk] : drained.chunks) {
    if (chunk.nameless) continue;
    const auto found = golden.stored.find(id);
    CHECK(found != golden.stored.end());
    const Stored& stored = found->second;
    CHECK(stored.partition_key == chunk.partition_key);
    CHECK(chunk.records <= stored.records && chunk.bytes.size() <= stored.bytes.size());
    if (chunk.whole && !chunk.resealed) CHECK(stored.bytes == chunk.bytes);
  }
}

// Nothing was damaged: what was not finished is there, and nothing is told.
void check_all_there(const Golden& golden, const Drained& drained) {
  const std::string& lines = golden.files.at("chunks.pos");
  for (const auto& [id, stored] : golden.stored) {
    bool finished = false;  // a line of another kind than R names it
    for (size_t at = lines.find(" " + id + " "); at != std::string::npos && !finished;) {
      finished = lines[at - 18] != 'R';
      at = lines.find(" " + id + " ", at + 1);
    }
    CHECK(drained.chunks.contains(id) != finished);
  }
}

// A start finds what it must; so does the next, if the process dies before it delivers any of it;
// and when it is delivered nothing is left.
void judge_story(millrace::testing::Choices choices) {
  using millrace::testing::LogStory;
  using millrace::testing::Then;
  millrace::testing::RecoveryJudge judge(choices);
  millrace::testing::MemoryFileSystem disk;
  KeyTable keys(3'600'000);
  judge.check(drain(judge.files(), disk, Then::kCrash, &keys, LogStory::kKeySeed), &keys);
  disk.forget_reserved();
  judge.check(drain({}, disk), nullptr);
  disk.forget_reserved();
  const Drained rest = drain({}, disk);
  CHECK(rest.opened && rest.chunks.empty());
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
  const Golden& golden = goldens()[data[0] % 16 % goldens().size()];
  const bool forger = (data[0] & 128) != 0;
  LogFilesByName files = golden.files;
  for (size_t at = 1; at + 8 <= size && at < 1 + 8 * kChangesMax; at += 8) {
    const uint8_t* p = data + at;
    damage(files, Change{.what = p[0],
                         .file = p[1],
                         .at = size_t{p[2]} | size_t{p[3]} << 8 | size_t{p[4]} << 16,
                         .value = p[5] | uint32_t{p[6]} << 8 | uint32_t{p[7]} << 16});
  }
  const LogCrc crc = LogCrc::of(golden.uuid);
  for (auto& [name, bytes] : files) {
    if (!forger) break;
    if (name.starts_with("seg.")) millrace::testing::forge_segment(bytes, crc);
    if (name.starts_with("chunks.")) millrace::testing::forge_position_file(bytes, crc);
  }
  millrace::testing::MemoryFileSystem disk;
  const Drained drained = drain(files, disk);
  if (!forger) check_nothing_invented(golden, drained);
  if (!forger && files == golden.files) check_all_there(golden, drained);
  // What the recovery wrote is good for the next start.
  if (drained.opened) {
    disk.forget_reserved();
    const Drained again = drain({}, disk);
    CHECK(again.opened || forger);  // who may have used up the epochs
  }
  return 0;
}
