// SPDX-License-Identifier: Apache-2.0
// The steps of the way in, each over one message of the work, in nanoseconds of CPU per event:
// where a message ends, its walk, a request's group with its CRCs, and the commit. The commit is
// the real one, in a log below the working directory; its thread's time counts, the disk's does
// not.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "bench/micro/encoded_event.h"
#include "input/forward/entry_reader.h"
#include "input/forward/inflate.h"
#include "input/forward/json_rewriter.h"
#include "input/forward/message_reader.h"
#include "io/real.h"
#include "tests/support/log_harness.h"

namespace millrace {
namespace {

constexpr size_t kPieceBytes = 64 << 10;
constexpr uint64_t kChunkBytes = 300 << 10;

const bench::Work& work() {
  static const bench::Work loaded = bench::load_work();
  return loaded;
}

// As an agent sends it: [tag, bin, {"chunk": id, "size": 500}].
const std::string& frame() {
  static const std::string bytes = [] {
    std::string out =
        "\x93\xa7"
        "app.web\xc6";
    for (int shift = 24; shift >= 0; shift -= 8) {
      out += static_cast<char>(work().bytes.size() >> shift);
    }
    out += work().bytes;
    out +=
        "\x82\xa5"
        "chunk\xb8"
        "p8KzAAAAAAAAAAAAAAAAAAA=\xa4"
        "size\xcd\x01\xf4";
    return out;
  }();
  return bytes;
}

void tell(benchmark::State& state) {
  state.counters["ns/event"] = bench::per_event(state, bench::kNanoseconds, work().entries.size());
}

void splitter(benchmark::State& state) {
  input::FrameSplitter frames(64 << 20);
  for (auto _ : state) {
    frames.reset();
    auto status = input::FrameSplitter::Status::kNeedMore;
    for (size_t have = 0; have < frame().size();) {
      have = std::min(have + kPieceBytes, frame().size());
      status = frames.scan(std::string_view(frame()).substr(0, have));
    }
    if (status != input::FrameSplitter::Status::kFrame) state.SkipWithError("no frame");
  }
  tell(state);
}
BENCHMARK(splitter);

void message(benchmark::State& state) {
  input::Inflater inflater(64 << 20);
  input::JsonRewriter json;
  input::MessageReader reader(64 << 20, true);
  for (auto _ : state) {
    const input::Step step = reader.next(frame(), {inflater, json});
    if (step.kind != input::Step::Kind::kMessage) state.SkipWithError("no message");
    reader.next_message();
  }
  tell(state);
}
BENCHMARK(message);

// Without the records: skipped, not formatted.
void walk(benchmark::State& state) {
  for (auto _ : state) {
    input::EntryReader reader(work().bytes, input::Shape::kEntries, EventTime{});
    input::Entry entry;
    size_t entries = 0;
    while (reader.next(entry) && reader.skip_record()) ++entries;
    if (entries != work().entries.size()) state.SkipWithError("entries are missing");
  }
  tell(state);
}
BENCHMARK(walk);

/// A log on the real disk, gone with the benchmark.
class Place {
 public:
  Place() : harness_(files_, path_ + "/buffer") {
    std::filesystem::remove_all(path_);
    harness_.profile.chunk_bytes_max = kChunkBytes;
  }
  ~Place() {
    harness_.stop();
    std::filesystem::remove_all(path_);
  }
  bool start() { return harness_.start().has_value(); }
  testing::LogHarness& harness() { return harness_; }
  const std::vector<std::string>& records() const { return records_; }

 private:
  const std::string path_ = std::filesystem::current_path() / "way_in_bench.tmp";
  io::RealFileSystem files_;
  testing::LogHarness harness_;
  const std::vector<std::string> records_ = bench::encoded_events(work());
};

void group(benchmark::State& state) {
  Place place;
  if (!place.start()) state.SkipWithError("no log in the working directory");
  for (auto _ : state) {
    place.harness().append(place.records());
    state.PauseTiming();
    if (!place.harness().commit()) state.SkipWithError("no commit");
    place.harness().drain();
    place.harness().log().tend();
    state.ResumeTiming();
  }
  tell(state);
}
BENCHMARK(group)->Iterations(400);

void commit(benchmark::State& state) {
  Place place;
  if (!place.start()) state.SkipWithError("no log in the working directory");
  for (auto _ : state) {
    state.PauseTiming();
    place.harness().append(place.records());
    state.ResumeTiming();
    if (!place.harness().commit()) state.SkipWithError("no commit");
    state.PauseTiming();
    place.harness().drain();
    place.harness().log().tend();
    state.ResumeTiming();
  }
  tell(state);
}
BENCHMARK(commit)->Iterations(400)->MeasureProcessCPUTime();

}  // namespace
}  // namespace millrace

BENCHMARK_MAIN();
