// SPDX-License-Identifier: Apache-2.0
// The golden buffers of tests/golden/buffer (README.md there): what is on the disks of users. Each
// is written again from the same messages, byte for byte, and each is recovered to what its
// expected.json says.

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/encoding.h"
#include "buffer/dead_letters.h"
#include "kpl/aggregate_reader.h"
#include "tests/support/golden_files.h"
#include "tests/unit/ingest/golden_writers.h"

namespace millrace::testing {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kEventsBytesMax = 4096;  // of a chunk whose events are told

Json events_of(std::string_view record) {
  const auto aggregate = kpl::read_aggregate(record);
  if (!aggregate || !*aggregate) return nullptr;
  Json events = Json::array();
  for (const kpl::UserRecord& user : (*aggregate)->records) {
    events.push_back(std::string(user.data));
  }
  return events;
}

Json described(const buffer::QueuedChunk& chunk, const buffer::LoadedChunk& loaded) {
  const Md5Bytes digest = md5(loaded.bytes);
  Json json{{"chunk_seq", chunk.seq},
            {"chunk_id", chunk.id.hex()},
            {"partition_key", loaded.seal.open.partition_key},
            {"payload_format", loaded.seal.open.payload_format},
            {"seal_reason", static_cast<int>(loaded.seal.reason)},
            {"records", loaded.records},
            {"body_bytes", loaded.seal.body_bytes},
            {"frames", loaded.seal.frame_lsns.size()},
            {"delivery_bytes", loaded.bytes.size()},
            {"delivery_md5", hex_encode({reinterpret_cast<const char*>(digest.data()), 16})},
            {"failures", chunk.failures},
            {"elapsed_ms", chunk.elapsed_before_ms}};
  if (chunk.kind == buffer::ChunkKind::kDeadLetter) {
    json["reason"] = buffer::dead_letter_reason(chunk);
  } else if (loaded.bytes.size() <= kEventsBytesMax) {
    json["events"] = events_of(loaded.bytes);
  }
  return json;
}

struct OpenLog {
  explicit OpenLog(const std::string& directory) {
    auto opened = buffer::Log::open(
        io::Io{files, clock, random},
        buffer::LogSettings{
            .directory = directory, .output_id = "other id", .total_limit_bytes = 1ULL << 40},
        pool, registry, interrupted);
    CHECK(opened.has_value());
    log = std::move(*opened);
  }

  io::RealFileSystem files;
  ScriptedClock clock;
  ScriptedRandom random;
  metrics::Registry registry;
  buffer::BlockPool pool;
  std::atomic<bool> interrupted{false};
  std::unique_ptr<buffer::Log> log;
};

// Takes every unfinished chunk, reads it whole, and finishes it.
Json drained(OpenLog& open) {
  buffer::ChunkReader reader = open.log->make_reader();
  buffer::LoadedChunk loaded;
  Json json{{"queued", Json::array()}, {"dead_letters", Json::array()}};
  while (open.log->queue().counts().due > 0) {
    const buffer::QueuedChunk chunk = *open.log->queue().take();
    EXPECT_TRUE(reader.read(chunk, loaded));
    EXPECT_FALSE(loaded.damaged || chunk.damaged);
    json["queued"].push_back(described(chunk, loaded));
    open.log->finish(chunk, buffer::Finish::kDelivered);
  }
  while (const auto chunk = open.log->queue().take_dead_letter()) {
    EXPECT_TRUE(reader.read(*chunk, loaded));
    EXPECT_FALSE(loaded.damaged || chunk->damaged);
    json["dead_letters"].push_back(described(*chunk, loaded));
    open.log->finish(*chunk, buffer::Finish::kDeadLetter);
  }
  return json;
}

void expect_no_alarm(const OpenLog& open) {
  using metrics::Metric;
  EXPECT_EQ(open.registry.total(Metric::kCorruptBytes), 0U);
  EXPECT_EQ(open.registry.total(Metric::kTornBytes), 0U);
  EXPECT_EQ(open.registry.total(Metric::kMissingSegments), 0U);
  EXPECT_EQ(open.registry.total(Metric::kDamagedChunks), 0U);
}

// The kinds and ids of all lines in the order they were written, by their text alone.
Json lines_of(const LogFilesByName& files) {
  Json lines = Json::array();
  const std::string& text = files.at("chunks.pos");
  for (size_t at = buffer::kPositionHeaderBytes; at < text.size() && text[at] != '\0';
       at += buffer::kPositionLineBytes) {
    lines.push_back(text.substr(at, 51));
  }
  return lines;
}

Json recovered(const LogFilesByName& files) {
  const TemporaryDirectory place;
  write_log_directory(place.path(), files);
  OpenLog first(place.path());
  Json json = drained(first);
  expect_no_alarm(first);
  first.log.reset();
  OpenLog second(place.path());
  EXPECT_EQ(drained(second).dump(), R"({"queued":[],"dead_letters":[]})");
  expect_no_alarm(second);
  json["lines"] = lines_of(files);
  return json;
}

LogFilesByName written(const GoldenWriter& writer) {
  const TemporaryDirectory place;
  io::RealFileSystem files;
  IngestHarness harness(files, place.path(), writer.match);
  writer.write(harness);
  harness.stop();
  EXPECT_EQ(harness.failed_count, 0U);
  LogFilesByName written = read_log_directory(harness.directory(writer.log_id));
  // Side files say again what the segments do; these buffers are older than they are.
  std::erase_if(written, [](const auto& file) { return file.first.ends_with(".idx"); });
  return written;
}

std::string text_of(const Json& json) { return json.dump(1) + "\n"; }

void expect_same_files(const LogFilesByName& got, const LogFilesByName& golden) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : got) {
    names.push_back(name);
    const auto found = golden.find(name);
    if (found == golden.end()) continue;
    const auto differ =
        std::mismatch(bytes.begin(), bytes.end(), found->second.begin(), found->second.end());
    EXPECT_TRUE(bytes == found->second)
        << name << " has " << bytes.size() << " bytes, the golden one " << found->second.size()
        << "; the first that differs is at " << differ.first - bytes.begin();
  }
  std::vector<std::string> wanted;
  for (const auto& [name, bytes] : golden) {
    wanted.push_back(name);
  }
  EXPECT_EQ(names, wanted);
}

TEST(GoldenBuffers, TheSameMessagesMakeTheSameBytes) {
  for (const GoldenWriter& writer : golden_writers()) {
    SCOPED_TRACE(writer.name);
    expect_same_files(written(writer), read_golden(writer.name));
  }
}

TEST(GoldenBuffers, EachIsRecoveredToWhatItHolds) {
  const std::vector<std::string> names = golden_names();
  ASSERT_GE(names.size(), 6U);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    EXPECT_EQ(text_of(recovered(read_golden(name))),
              test::read_file(golden_directory() + "/" + name + "/expected.json"));
  }
}

// Makes a new golden buffer: those of golden_writers() that are not there yet. Not run by itself.
TEST(GoldenBuffers, DISABLED_MakeMissing) {
  for (const GoldenWriter& writer : golden_writers()) {
    const std::string directory = golden_directory() + "/" + writer.name;
    if (std::filesystem::exists(directory)) continue;
    const LogFilesByName files = written(writer);
    for (const auto& [name, bytes] : files) {
      write_file(directory + "/" + name + ".gz", test::gzip(bytes));
    }
    write_file(directory + "/expected.json", text_of(recovered(files)));
  }
}

}  // namespace
}  // namespace millrace::testing
