// SPDX-License-Identifier: Apache-2.0
#pragma once

// What was done to make each golden buffer: messages, seals, deliveries and kills, with the clock
// and the randomness fixed. Never changed for a buffer that is committed: what today's binary makes
// of it must stay the same bytes.

#include <string>
#include <utility>
#include <vector>

#include "tests/support/ingest_harness.h"

namespace millrace::testing {

struct GoldenWriter {
  const char* name;
  const char* log_id;  // whose log is kept
  config::Match match;
  void (*write)(IngestHarness&);
};

namespace golden {

using buffer::Finish;
using buffer::SealReason;

constexpr const char* kFluentdChunk = "oC4x4a4mPMs1K5eOqmF8nA==\n";  // an id as Fluentd makes them
constexpr uint32_t kSeconds = 1'700'000'000;

inline std::string event(uint32_t n, const Fields& more = {}) {
  Fields fields{{"n", std::to_string(n)}, {"message", "line " + std::to_string(n)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return packed_entry(kSeconds + n, n % 2 == 0 ? 0 : 123'456'789, fields);
}

inline std::string events(uint32_t from, uint32_t to) {
  std::string out;
  for (uint32_t n = from; n < to; ++n) {
    out += event(n);
  }
  return out;
}

/// One event whose record is a little more than `bytes`, and compresses well.
inline std::string large_event(uint32_t n, size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    text += "0123456789abcdef";
  }
  return event(n, {{"text", text}});
}

/// What a flush thread does with the oldest chunk that is due.
inline void finish_next(IngestHarness& harness, Finish outcome) {
  CHECK(harness.log().queue().counts().due > 0);
  buffer::QueuedChunk chunk = *harness.log().queue().take();
  ++chunk.attempts;
  harness.log().finish(chunk, outcome);
}

inline void fail_next(IngestHarness& harness, uint32_t failures, uint64_t elapsed_ms) {
  CHECK(harness.log().queue().counts().due > 0);
  buffer::QueuedChunk chunk = *harness.log().queue().take();
  chunk.attempts = chunk.failures = failures;
  chunk.first_failure_ms = harness.clock.running - elapsed_ms;
  chunk.not_before_ms = harness.clock.running + 600'000'000;
  harness.log().note_attempt(chunk);
  harness.log().queue().give_back(std::move(chunk));
}

inline void next_life(IngestHarness& harness) {
  harness.stop();
  harness.clock.running = 50'000;  // the machine was started again
  harness.clock.wall += 3'600'000'000;
  CHECK(harness.start().has_value());
}

inline config::Match kpl_match() {
  config::Match match;
  match.patterns = {"app.**"};
  match.type = config::OutputType::kKinesisAggregation;
  match.id = "to_kinesis";
  match.buffer.chunk_limit_size = 1500;
  match.format.record_limit = 64 << 10;
  return match;
}

// Every kind of group, line and seal of a small log, over two lives: chunks delivered (C), given to
// a secondary (S), dropped (X), dead (D), retried (R), staged, and a dead letter not yet written.
inline void write_kpl(IngestHarness& harness) {
  CHECK(harness.start().has_value());
  harness.receive("app.web", events(0, 3), kFluentdChunk);
  harness.receive("app.db", events(3, 5), "p8Kz", "192.0.2.7");
  harness.receive("app.web", event(5));
  harness.commit();  // three groups
  harness.receive("app.web", events(6, 20), "p8L0", "192.0.2.7");
  harness.commit();  // fills the first chunk, opens the next
  finish_next(harness, Finish::kDelivered);
  harness.pass(5000);  // flush_interval
  CHECK(harness.log().drop_oldest());
  harness.receive("app.db", events(20, 22), "p8L1", "192.0.2.7");
  harness.seal(SealReason::kForced);
  finish_next(harness, Finish::kSecondary);
  harness.receive("app.web", events(22, 25));
  harness.seal(SealReason::kForced);
  fail_next(harness, 3, 61'000);
  harness.receive("app.web", large_event(25, 70'000) + event(26), "p8L2", "192.0.2.7");
  harness.commit();    // the first is oversize: a dead letter, written at once
  harness.pass(1500);  // PAD
  harness.receive("app.web", event(27, {{"text", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x9d \"\\\n"}}));
  harness.commit();
  next_life(harness);  // seals what was staged
  harness.receive("app.db", events(28, 30), "p8L3", "192.0.2.7");
  harness.seal(SealReason::kShutdown);
  fail_next(harness, 4, 20'000);
  finish_next(harness, Finish::kDelivered);
  harness.receive("app.db", large_event(30, 66'000) + event(31));
  harness.commit(false);
}

inline config::Match segments_match() {
  config::Match match = kpl_match();
  match.buffer.chunk_limit_size = 1300 << 10;
  match.format.record_limit = 10 << 20;
  return match;
}

// Four segments, the first of them removed (G); chunks over two segments; a record of several
// frames.
inline void write_segments(IngestHarness& harness) {
  CHECK(harness.start().has_value());
  uint32_t n = 0;
  for (; n < 13; ++n) {
    harness.receive("app.large", large_event(n, 400'000));
    harness.commit();
  }
  harness.receive("app.large", large_event(n, 2'500'000) + event(n + 1));
  n += 2;
  harness.commit();
  finish_next(harness, Finish::kDelivered);
  finish_next(harness, Finish::kDelivered);
  next_life(harness);
  finish_next(harness, Finish::kDelivered);
  finish_next(harness, Finish::kDelivered);
  harness.tend();  // nothing in the first segment is needed any more
  for (const uint32_t end = n + 12; n < end; ++n) {
    harness.receive("app.large", large_event(n, 400'000));
    harness.commit();
  }
}

inline config::Match kpl_fluentd_match() {
  config::Match match = kpl_match();
  match.buffer.chunk_limit_records = 3;
  match.format.kpl_compat = config::KplCompat::kFluentd;
  match.format.json_compat = config::JsonCompat::kOj;
  match.format.append_newline = true;
  match.format.fixed_partition_key = "fixed key";
  return match;
}

inline void write_kpl_fluentd(IngestHarness& harness) {
  CHECK(harness.start().has_value());
  harness.receive("app.web", events(0, 8), kFluentdChunk);
  harness.commit();
  finish_next(harness, Finish::kDelivered);
}

inline config::Match bare_local_match() {
  config::Match match = local_match();
  match.buffer.flush_mode = config::FlushMode::kImmediate;
  match.format.inject = false;
  return match;
}

inline void write_local(IngestHarness& harness) {
  CHECK(harness.start().has_value());
  for (uint32_t n = 0; n < 3; ++n) {
    harness.receive("app.web", events(10 * n, 10 * n + 2), "c" + std::to_string(n));
    harness.commit();
  }
  finish_next(harness, Finish::kDelivered);
}

// Events that no [[match]] takes: one chunk in dead/, one on its way there, one staged.
inline void write_unmatched(IngestHarness& harness) {
  CHECK(harness.start().has_value());
  harness.receive("other.one", events(0, 3), kFluentdChunk);
  harness.receive("other.two", events(3, 5));
  harness.commit();
  harness.pass(10'000);
  harness.receive("other.one", event(5));
  harness.seal(SealReason::kShutdown, false);
  harness.receive("other.two", event(6));
  harness.commit(false);
}

// A message that grew too large as JSON, kept as it came: one in dead/, one on its way there. Put
// in as Ingest does it, without the 256 MiB that it would take.
inline void write_opaque(IngestHarness& harness) {
  CHECK(harness.start().has_value());
  for (uint32_t n = 0; n < 2; ++n) {
    const buffer::Metadata metadata{{"tag", "app.raw"}};
    const buffer::StageTarget target{.metadata = &metadata,
                                     .profile = &harness.lane().opaque_profile(),
                                     .dead_reason = buffer::DeadReason::kExpansion};
    buffer::Appender& appender = harness.log().appender();
    appender.begin(0, {});
    appender.put_dead_letter(target, events(10 * n, 10 * n + 2));
    appender.end();
    harness.commit_beside_ingest(n == 0);
  }
}

}  // namespace golden

inline std::vector<GoldenWriter> golden_writers() {
  return {{"kpl-proved", "to_kinesis", golden::kpl_match(), golden::write_kpl},
          {"kpl-segments-proved", "to_kinesis", golden::segments_match(), golden::write_segments},
          {"kpl-fluentd", "to_kinesis", golden::kpl_fluentd_match(), golden::write_kpl_fluentd},
          {"local", "local", golden::bare_local_match(), golden::write_local},
          {"unmatched", "unmatched", golden::kpl_match(), golden::write_unmatched},
          {"opaque", "to_kinesis", golden::kpl_match(), golden::write_opaque}};
}

}  // namespace millrace::testing
