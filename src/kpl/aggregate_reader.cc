// SPDX-License-Identifier: Apache-2.0
#include "kpl/aggregate_reader.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "base/digest.h"
#include "kpl.pb.h"
#include "kpl/kpl_format.h"

namespace millrace::kpl {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t kNoIndex = std::numeric_limits<uint32_t>::max();

tl::unexpected<Error> damaged(const std::string& reason) {
  return fail(ErrorKind::kCorrupt, "damaged aggregated record: " + reason);
}

// The AggregatedRecord is read field by field and each Record by the generated code, so that the
// memory taken is known: one Record at a time beside what is kept.
class Reader {
 public:
  explicit Reader(std::string_view message)
      : message_(message), in_(bytes(message), static_cast<int>(message.size())) {
    aggregate_.storage = std::make_unique<char[]>(message.size());
    free_ = aggregate_.storage.get();
  }

  Result<Aggregate> read() {
    if (auto fields = read_fields(); !fields) return tl::unexpected<Error>(fields.error());
    if (auto resolved = resolve(); !resolved) return tl::unexpected<Error>(resolved.error());
    return std::move(aggregate_);
  }

  Result<Aggregate> read_without_keys() {
    if (auto fields = read_fields(); !fields) return tl::unexpected<Error>(fields.error());
    if (!keys_.empty() || !hash_keys_.empty() || skipped_) return damaged("not of fragments alone");
    return std::move(aggregate_);
  }

 private:
  // Where a record's keys are; the tables may come after the record.
  struct Places {
    uint32_t key = kNoIndex;
    uint32_t hash_key = kNoIndex;
  };

  static const uint8_t* bytes(std::string_view text) {
    return reinterpret_cast<const uint8_t*>(text.data());
  }

  Result<void> read_fields() {
    for (;;) {
      const uint32_t tag = in_.ReadTag();
      if (tag == 0) break;
      if (keys_.size() + hash_keys_.size() + places_.size() >= kAggregateEntriesMax) {
        return fail(ErrorKind::kInvalid, "aggregated record with too many entries");
      }
      const Result<void> field = read_field(tag);
      if (!field) return tl::unexpected<Error>(field.error());
    }
    if (!in_.ConsumedEntireMessage()) return damaged("not a protobuf message");
    return {};
  }

  Result<void> read_field(uint32_t tag) {
    const bool known = tag == static_cast<uint32_t>(kTagPartitionKey) ||
                       tag == static_cast<uint32_t>(kTagExplicitHashKey) ||
                       tag == static_cast<uint32_t>(kTagRecord);
    if (!known) {
      skipped_ = true;
      if (!WireFormatLite::SkipField(&in_, tag)) return damaged("not a protobuf message");
      return {};
    }
    uint32_t size = 0;
    const auto left = [this] {
      return message_.size() - static_cast<size_t>(in_.CurrentPosition());
    };
    if (!in_.ReadVarint32(&size) || size > left()) return damaged("not a protobuf message");
    const std::string_view body = message_.substr(static_cast<size_t>(in_.CurrentPosition()), size);
    in_.Skip(static_cast<int>(size));
    if (tag == static_cast<uint32_t>(kTagRecord)) return read_record(body);
    (tag == static_cast<uint32_t>(kTagPartitionKey) ? keys_ : hash_keys_).push_back(keep(body));
    return {};
  }

  Result<void> read_record(std::string_view body) {
    // ParseFromArray says no to a missing required field as well; only the reason differs.
    if (!record_.ParsePartialFromArray(body.data(), static_cast<int>(body.size()))) {
      return damaged("not a protobuf message");
    }
    if (!record_.IsInitialized()) return damaged("a required field is missing");
    const uint64_t key = record_.partition_key_index();
    const uint64_t hash_key = record_.has_explicit_hash_key_index()
                                  ? record_.explicit_hash_key_index()
                                  : uint64_t{kNoIndex};
    if (key >= kNoIndex || hash_key > kNoIndex ||
        (hash_key == kNoIndex && record_.has_explicit_hash_key_index())) {
      return damaged("an index is beyond its table");
    }
    places_.push_back({static_cast<uint32_t>(key), static_cast<uint32_t>(hash_key)});
    aggregate_.records.push_back({{}, {}, keep(record_.data())});
    return {};
  }

  Result<void> resolve() {
    for (size_t i = 0; i < places_.size(); ++i) {
      const Places& places = places_[i];
      UserRecord& record = aggregate_.records[i];
      if (places.key >= keys_.size()) return damaged("an index is beyond its table");
      record.partition_key = keys_[places.key];
      if (places.hash_key == kNoIndex) continue;
      if (places.hash_key >= hash_keys_.size()) return damaged("an index is beyond its table");
      record.explicit_hash_key = hash_keys_[places.hash_key];
    }
    return {};
  }

  // The parts of a message are never longer together than the message.
  std::string_view keep(std::string_view text) {
    if (!text.empty()) std::memcpy(free_, text.data(), text.size());
    const std::string_view kept(free_, text.size());
    free_ += text.size();
    return kept;
  }

  std::string_view message_;
  CodedInputStream in_;
  wire::Record record_;
  std::vector<std::string_view> keys_;
  std::vector<std::string_view> hash_keys_;
  std::vector<Places> places_;
  bool skipped_ = false;  // a field that nobody knows
  char* free_ = nullptr;
  Aggregate aggregate_;
};

}  // namespace

Result<std::optional<Aggregate>> read_aggregate(std::string_view data) {
  if (data.size() < kAggregateBytesMin || data.substr(0, kMagic.size()) != kMagic) {
    return std::optional<Aggregate>();
  }
  if (data.size() > kAggregateBytesMax) {
    return fail(ErrorKind::kInvalid, "larger than a Kinesis record can be");
  }
  const std::string_view message =
      data.substr(kMagic.size(), data.size() - kMagic.size() - kDigestBytes);
  const Md5Bytes digest = md5(message);
  if (std::memcmp(digest.data(), data.data() + data.size() - kDigestBytes, kDigestBytes) != 0) {
    return damaged("its MD5 does not fit");
  }
  Result<Aggregate> aggregate = Reader(message).read();
  if (!aggregate) return tl::unexpected<Error>(aggregate.error());
  return std::optional<Aggregate>(std::move(*aggregate));
}

Result<Aggregate> read_fragments(std::string_view body) {
  if (body.size() > kAggregateBytesMax) {
    return fail(ErrorKind::kInvalid, "larger than a Kinesis record can be");
  }
  return Reader(body).read_without_keys();
}

}  // namespace millrace::kpl
