// SPDX-License-Identifier: Apache-2.0
// Events of any size through Ingest, log and reader into Kinesis records: none counts more than the
// limit, none is lost, doubled or changed, and no chunk ends without need.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "kpl/aggregate_head.h"
#include "kpl/aggregate_reader.h"
#include "kpl/record_encoder.h"
#include "tests/support/ingest_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::testing {
namespace {

using buffer::SealReason;

constexpr size_t kRecordLimit = 64 << 10;  // the least that can be configured

struct Sealed {
  std::string key;
  std::string record;
  SealReason reason = SealReason::kForced;
  uint64_t body_bytes = 0;
  std::vector<std::string> events;
};

class Packing {
 public:
  Packing(uint64_t seed, config::KplCompat compat, const std::string& key) : random_(seed) {
    match_.patterns = {"**"};
    match_.id = "out";
    match_.format.inject = false;
    match_.format.kpl_compat = compat;
    match_.format.fixed_partition_key = key;
    match_.format.record_limit = kRecordLimit;
    // Mostly the record's limit decides, sometimes one of the chunk's own.
    match_.buffer.chunk_limit_size = below(3) == 0 ? 5'000 + below(60'000) : 1 << 20;
    match_.buffer.chunk_limit_records = below(3) == 0 ? 1 + below(40) : 0;
    key_bytes_ = key.empty() ? 36 : key.size();
  }

  void run() {
    MemoryFileSystem files;
    IngestHarness harness(files, "/root", match_);
    RC_ASSERT(harness.start().has_value());
    for (size_t messages = 1 + below(6); messages > 0; --messages) {
      std::string entries;
      for (size_t events = 1 + below(12); events > 0; --events) entries += entry();
      harness.receive("a.b", entries);
      harness.commit();
    }
    harness.seal(SealReason::kForced);
    read(harness);
    check();
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }
  const kpl::AggregateHead head() const { return kpl::AggregateHead(match_.format.kpl_compat); }
  size_t body_max() const { return head().body_bytes_max(kRecordLimit, key_bytes_); }

  // Sizes where a varint grows, where a chunk is exactly full, and any other.
  size_t json_bytes() {
    static constexpr size_t kEdges[] = {123, 124, 127, 128, 16378, 16379, 16383, 16384};
    switch (below(6)) {
      case 0:
        return kEdges[below(std::size(kEdges))] + below(2);
      case 1:
        return body_max() - 20 + below(40);
      case 2: {  // what is left of the chunk, if nothing else ended it, a little more or less
        const size_t left = body_max() - std::min(body_max(), filled_);
        return std::max<size_t>(20, left > 20 ? left - 20 + below(24) : 20);
      }
      case 3:
        return 20 + below(body_max() + 2000);
      default:
        return 20 + below(3000);
    }
  }

  std::string entry() {
    const size_t size = json_bytes();
    const std::string number = std::to_string(sent_.size());
    const size_t around = std::string(R"({"n":"","t":""})").size() + number.size();
    const std::string text(size > around ? size - around : 0, 'x');
    sent_.push_back(R"({"n":")" + number + R"(","t":")" + text + "\"}");
    const size_t fragment = kpl::fragment_size(sent_.back().size());
    filled_ = filled_ + fragment > body_max() ? fragment : filled_ + fragment;
    return packed_entry(1'700'000'000, 0, {{"n", number}, {"t", text}});
  }

  Sealed sealed(const buffer::LoadedChunk& loaded) {
    Sealed out{.key = loaded.seal.open.partition_key,
               .record = loaded.bytes,
               .reason = loaded.seal.reason,
               .body_bytes = loaded.seal.body_bytes,
               .events = {}};
    RC_ASSERT(!loaded.damaged);
    return out;
  }

  void read(IngestHarness& harness) {
    buffer::ChunkReader reader = harness.log().make_reader();
    buffer::LoadedChunk loaded;
    while (harness.log().queue().counts().due > 0) {
      const buffer::QueuedChunk chunk = *harness.log().queue().take();
      RC_ASSERT(reader.read(chunk, loaded).has_value());
      chunks_.push_back(sealed(loaded));
      const auto aggregate = kpl::read_aggregate(chunks_.back().record);
      RC_ASSERT(aggregate.has_value() && aggregate->has_value());
      for (const kpl::UserRecord& user : (*aggregate)->records) {
        RC_ASSERT(user.partition_key == chunks_.back().key && !user.explicit_hash_key);
        chunks_.back().events.emplace_back(user.data);
      }
      RC_ASSERT(loaded.records == chunks_.back().events.size());
      harness.log().finish(chunk, buffer::Finish::kDelivered);
    }
    oversize_ = harness.registry.total(metrics::Metric::kDeadOversize);
  }

  void check() const {
    std::vector<std::string> fit;
    for (const std::string& event : sent_) {
      if (kpl::fragment_size(event.size()) <= body_max()) fit.push_back(event);
    }
    RC_ASSERT(oversize_ == sent_.size() - fit.size());
    std::vector<std::string> got;
    for (const Sealed& chunk : chunks_) {
      RC_ASSERT(chunk.record.size() + chunk.key.size() <= kRecordLimit);
      RC_ASSERT(chunk.record.size() + chunk.key.size() ==
                head().counted_size(chunk.body_bytes, key_bytes_));
      got.insert(got.end(), chunk.events.begin(), chunk.events.end());
    }
    RC_ASSERT(got == fit);
    check_full();
  }

  // A chunk sealed as full had no room for the event after it, by one of its three limits, or the
  // message that ended in it had filled it to 95 %.
  void check_full() const {
    const size_t limit = std::min<size_t>(match_.buffer.chunk_limit_size, body_max());
    for (size_t i = 0; i < chunks_.size(); ++i) {
      const Sealed& chunk = chunks_[i];
      RC_ASSERT(chunk.body_bytes <= limit || chunk.events.size() == 1);
      const uint64_t records_max = match_.buffer.chunk_limit_records;
      RC_ASSERT(records_max == 0 || chunk.events.size() <= records_max);
      if (chunk.reason != SealReason::kFull || i + 1 == chunks_.size()) continue;
      const size_t next = kpl::fragment_size(chunks_[i + 1].events[0].size());
      RC_ASSERT(chunk.body_bytes + next > limit || chunk.events.size() == records_max ||
                chunk.body_bytes * 100 >= limit * 95);
    }
  }

  std::mt19937_64 random_;
  config::Match match_;
  size_t key_bytes_ = 0;
  size_t filled_ = 0;
  std::vector<std::string> sent_;
  std::vector<Sealed> chunks_;
  uint64_t oversize_ = 0;
};

// Up to 256 characters of one to four bytes; empty for the chunk's id.
std::string any_key(std::mt19937_64& random) {
  static const char* const kCharacters[] = {"k", "\xc3\xa9", "\xe3\x82\xa4", "\xf0\x9f\x98\x80"};
  static constexpr size_t kCounts[] = {0, 1, 31, 32, 127, 128, 255, 256};
  std::string key;
  const char* const character = kCharacters[random() % 4];
  for (size_t left = kCounts[random() % std::size(kCounts)]; left > 0; --left) key += character;
  return key;
}

RC_GTEST_PROP(Packing, NoKinesisRecordIsLargerThanItsLimit, (uint64_t seed, bool fluentd)) {
  std::mt19937_64 random(seed);
  Packing packing(seed, fluentd ? config::KplCompat::kFluentd : config::KplCompat::kNone,
                  any_key(random));
  packing.run();
}

}  // namespace
}  // namespace millrace::testing
