// SPDX-License-Identifier: Apache-2.0
// The steps of the way out, each over one chunk of 300 KiB of the work, in nanoseconds of CPU per
// event: the chunk read back from a log below the working directory, its body as JSON and as CBOR
// with the body's hash, the signature, and the whole request to a server that throws it away.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <thread>

#include "bench/load/ledger.h"
#include "bench/load/sink_server.h"
#include "bench/micro/encoded_event.h"
#include "http/library.h"
#include "io/real.h"
#include "output/kinesis/kinesis_sender.h"
#include "tests/support/log_harness.h"

namespace millrace {
namespace {

constexpr uint64_t kChunkBytes = 300 << 10;
constexpr std::string_view kKey = "00000000-0000-4000-8000-000000000000";

struct Chunk {
  std::string record;
  size_t events = 0;
};

// Events until they fill a chunk.
const Chunk& chunk() {
  static const Chunk made = [] {
    const std::vector<std::string> events = bench::encoded_events(bench::load_work());
    Chunk out;
    while (out.record.size() + 1024 < kChunkBytes) {
      out.record += events[out.events++ % events.size()];
    }
    return out;
  }();
  return made;
}

void tell(benchmark::State& state) {
  state.counters["ns/event"] = bench::per_event(state, bench::kNanoseconds, chunk().events);
}

void read_chunk(benchmark::State& state) {
  const std::string path = std::filesystem::current_path() / "way_out_bench.tmp";
  std::filesystem::remove_all(path);
  {
    io::RealFileSystem files;
    testing::LogHarness harness(files, path + "/buffer");
    harness.profile.chunk_bytes_max = 1 << 20;
    if (!harness.start()) state.SkipWithError("no log in the working directory");
    harness.append({chunk().record});
    harness.log().appender().seal_all(buffer::SealReason::kForced);
    if (!harness.commit()) state.SkipWithError("no commit");
    const auto queued = harness.log().queue().take();
    buffer::ChunkReader reader = harness.log().make_reader();
    buffer::LoadedChunk loaded;
    for (auto _ : state) {
      if (!reader.read(*queued, loaded) || loaded.damaged) state.SkipWithError("no chunk");
    }
    tell(state);
  }
  std::filesystem::remove_all(path);
}
BENCHMARK(read_chunk);

void body(benchmark::State& state, config::BodyFormat format) {
  output::PutRecordBody body("events", format);
  for (auto _ : state) {
    body.build(kKey, chunk().record);
    benchmark::DoNotOptimize(body.hash());
  }
  tell(state);
}
BENCHMARK_CAPTURE(body, json, config::BodyFormat::kJson);
BENCHMARK_CAPTURE(body, cbor, config::BodyFormat::kCbor);

aws::Credentials credentials() {
  return {aws::Secret("AKIDEXAMPLE"), aws::Secret("example"), aws::Secret()};
}

void signature(benchmark::State& state) {
  aws::Signer signer(credentials(), "us-east-1", "kinesis");
  const std::array<aws::SignedHeader, 4> headers = {
      {{"content-type", "application/x-amz-json-1.1"},
       {"host", "kinesis.us-east-1.amazonaws.com"},
       {"x-amz-date", "20260101T000000Z"},
       {"x-amz-target", "Kinesis_20131202.PutRecord"}}};
  const Sha256Bytes hash = sha256(chunk().record);
  for (auto _ : state) {
    benchmark::DoNotOptimize(signer.authorization("POST", "/", headers, "20260101T000000Z", hash));
  }
  tell(state);
}
BENCHMARK(signature);

void whole_send(benchmark::State& state, config::BodyFormat format) {
  bench::Ledger ledger(0);
  bench::SinkServer server({.verify = bench::Verify::kNone}, ledger);
  if (!server.listen()) state.SkipWithError("no port");
  std::thread serving([&server] { server.run(); });
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  const output::KinesisTarget target{.stream_name = "events",
                                     .region = "us-east-1",
                                     .endpoint = {"http://" + host + "/", host},
                                     .credentials = credentials(),
                                     .client = {},
                                     .body_format = format};
  output::ClockOffset clock;
  output::KinesisSender sender(target, clock);
  for (auto _ : state) {
    const output::PutResult result =
        sender.put({.partition_key = kKey, .record = chunk().record, .chunk_id = {}});
    if (result.outcome != output::Outcome::kCommitted) state.SkipWithError("not taken");
  }
  tell(state);
  server.stop();
  serving.join();
}
BENCHMARK_CAPTURE(whole_send, json, config::BodyFormat::kJson);
BENCHMARK_CAPTURE(whole_send, cbor, config::BodyFormat::kCbor);

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const millrace::http::Library library;
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
