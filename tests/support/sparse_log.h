// SPDX-License-Identifier: Apache-2.0
#pragma once

// A log with segments that are kept for little: chunks that no delivery brings to an end, among
// others that are all delivered. Small segments, so that a few megabytes make many of them.

#include "io/lossy.h"
#include "tests/support/log_harness.h"

namespace millrace::testing {

class SparseLog {
 public:
  static constexpr uint64_t kSegmentBytes = 1 << 20;
  static constexpr uint64_t kSpillAfterMs = 60'000;
  static constexpr const char* kDirectory = "/buffer/worker0/out/buffer";

  SparseLog() {
    files.set_reservation_max("spare.", kSegmentBytes);
    harness.profile.chunk_bytes_max = 400'000;
  }

  void start() { CHECK(harness.start().has_value()); }
  void cut_power_and_start() {
    harness.stop();
    files.cut_power();
    start();
  }
  buffer::Log& log() { return harness.log(); }
  uint64_t total(metrics::Metric metric) const { return harness.registry.total(metric); }

  /// One sealed chunk of one record; durable.
  void store(const std::string& record) {
    harness.append({record});
    log().appender().seal_all(buffer::SealReason::kForced);
    CHECK(harness.commit());
  }
  /// Takes what is due; the chunks that fail are tried again much later.
  void fail_all() {
    while (auto chunk = log().queue().take_due()) {
      chunk->not_before_ms = harness.clock.running + (1ULL << 40);
      log().queue().give_back(std::move(*chunk));
    }
  }
  /// Delivers what is due, read back; the bodies.
  std::string deliver_due() {
    std::string bodies;
    buffer::ChunkReader reader = log().make_reader();
    buffer::LoadedChunk loaded;
    while (const auto chunk = log().queue().take_due()) {
      CHECK(reader.read(*chunk, loaded).has_value());
      if (loaded.damaged) ++damaged;
      bodies += loaded.bytes.substr(loaded.seal.open.head.size());
      reasons.push_back(loaded.seal.reason);
      log().finish(*chunk, buffer::Finish::kDelivered);
    }
    return bodies;
  }
  /// Everything, also what failed.
  std::string deliver_all() {
    harness.clock.running += 1ULL << 41;
    return deliver_due();
  }
  /// Chunks that are delivered at once, until `rolls` more segments were begun.
  void pass_by(uint64_t rolls) {
    const uint64_t until = total(metrics::Metric::kRolls) + rolls;
    while (total(metrics::Metric::kRolls) < until) {
      store(std::string(100'000, 'p'));
      deliver_due();
      log().tend();
    }
  }
  /// Starts, and stores a chunk with four records of 15 000 bytes in each of six segments, of which
  /// at most `frame_bytes_max` go in a commit when it is moved. What was stored.
  std::string store_in_many_segments(uint64_t frame_bytes_max = 20'000) {
    harness.moves.frame_bytes_max = frame_bytes_max;
    start();
    std::string body;
    for (uint64_t rolls = 0; rolls < 6; ++rolls) {
      for (int i = 0; i < 4; ++i) {
        body.append(15'000, static_cast<char>('a' + rolls));
        harness.append({body.substr(body.size() - 15'000)}, "large");
        CHECK(harness.commit());
      }
      while (rolls < 5 && total(metrics::Metric::kRolls) == rolls) {
        harness.append({std::string(390'000, 'p')});
        CHECK(harness.commit());
        deliver_due();
        log().tend();
      }
    }
    log().appender().seal_all(buffer::SealReason::kForced);
    CHECK(harness.commit());
    fail_all();
    pass_by(1);
    return body;
  }
  /// A minute passes, with housekeeping and commits as they are wanted.
  void let_it_move(int rounds = 50) {
    log().tend();
    harness.clock.running += kSpillAfterMs;
    for (int i = 0; i < rounds; ++i) {
      log().tend();
      CHECK(harness.commit());
      harness.clock.running += 200;
    }
  }

  io::LossyFileSystem files;
  LogHarness harness{files};
  size_t damaged = 0;                       // chunks that were delivered in part
  std::vector<buffer::SealReason> reasons;  // of what was delivered
};

}  // namespace millrace::testing
