// SPDX-License-Identifier: Apache-2.0
// What `millrace decode` is given: any bytes, which are one record unless they begin as JSON. The
// same bytes as records that are written as a local stream or a reply of GetRecords, in lines or
// not, perhaps with one that is damaged: all others are found in their order, nothing else, and the
// damaged one is told. Every event becomes exactly one line that means the event.

#include <openssl/evp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "base/unique_fd.h"
#include "base/utf8.h"
#include "cli/event_line.h"
#include "cli/record_source.h"
#include "kpl/aggregate_reader.h"

namespace {

using millrace::cli::KinesisRecord;
using nlohmann::json;

struct Found {
  std::vector<KinesisRecord> records;  // without their place
  std::vector<std::string> damaged;    // places
};

Found read(std::string_view input) {
  const millrace::UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  CHECK(::write(fd.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  CHECK(::lseek(fd.get(), 0, SEEK_SET) == 0);
  Found found;
  const millrace::cli::RecordVisitor visitor{
      .record =
          [&found](const KinesisRecord& record) {
            CHECK(!record.place.empty());
            found.records.push_back(record);
            found.records.back().place = {};
            return true;
          },
      .damaged =
          [&found](const std::string& place, const std::string& reason) {
            CHECK(!place.empty() && !reason.empty());
            found.damaged.push_back(place);
          }};
  CHECK(millrace::cli::read_kinesis_records(fd.get(), "input", visitor).has_value());
  return found;
}

std::string without_replacements(std::string text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  for (size_t at = 0; (at = text.find(kReplacement, at)) != std::string::npos;) text.erase(at, 3);
  return text;
}

// How many bytes one replacement stands for is each writer's own affair.
bool means(const json& text, std::string_view data) {
  if (!text.is_string()) return false;
  const auto read = text.get<std::string>();
  return millrace::utf8_valid(data)
             ? read == data
             : without_replacements(read) == without_replacements(millrace::utf8_repaired(data));
}

bool is_plain(unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; }

json json_of(std::string_view text) {
  const bool ends_early = text.find('\0') != std::string_view::npos;  // to the library
  if (ends_early || !millrace::utf8_valid(text)) return json::value_t::discarded;
  return json::parse(text, nullptr, false);
}

std::string_view one_line(const std::string& line) {
  CHECK(std::count(line.begin(), line.end(), '\n') == 1 && line.back() == '\n');
  return std::string_view(line).substr(0, line.size() - 1);
}

void check_event(std::string_view sequence, std::string_view key, uint64_t place,
                 std::string_view data) {
  const std::string_view text = data.substr(0, data.size() - (data.ends_with('\n') ? 1 : 0));
  const json value = json_of(text);
  const std::string whole_line = millrace::cli::event_line(data);
  const std::string_view line = one_line(whole_line);
  if (!value.is_discarded()) {
    CHECK(json::parse(line) == value);
  } else if (millrace::utf8_valid(text) && std::all_of(text.begin(), text.end(), is_plain)) {
    CHECK(line == text);
  } else {
    CHECK(means(json::parse(line), data));
  }
  const json meta =
      json::parse(one_line(millrace::cli::event_line_with_meta({key, sequence, place}, data)));
  CHECK(meta.size() == 4 && meta.at("sub_sequence") == place);
  CHECK(means(meta.at("partition_key"), key));
  const json& number = meta.at("sequence_number");
  CHECK(sequence.empty() ? number.is_null() : means(number, sequence));
  if (!value.is_discarded()) {
    CHECK(meta.at("data") == value);
  } else if (millrace::utf8_valid(data)) {
    CHECK(meta.at("data") == data);
  } else {
    CHECK(millrace::base64_decode(meta.at("data_base64").get<std::string>()) == data);
  }
}

void check_events(const KinesisRecord& record) {
  const auto aggregate = millrace::kpl::read_aggregate(record.data);
  if (!aggregate) return;
  if (!*aggregate) return check_event(record.sequence_number, record.partition_key, 0, record.data);
  uint64_t place = 0;
  for (const auto& user : (*aggregate)->records) {
    check_event(record.sequence_number, user.partition_key, place++, user.data);
  }
}

void check_any(std::string_view input) {
  const Found found = read(input);
  for (const KinesisRecord& record : found.records) check_events(record);
  // JSON, or what the JSON library passes over before it.
  if (input.empty() || input.find_first_of("{ \t\r\xef") == 0) return;
  CHECK(found.damaged.empty() && found.records.size() == 1 && found.records[0].data == input);
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  return out.substr(0, static_cast<size_t>(size));
}

// Records of the bytes, and a file that holds them.
class Written {
 public:
  explicit Written(std::string_view bytes) : bytes_(bytes) {
    const uint8_t choice = take();
    const bool faulty = choice % 4 == 0;
    const uint8_t fault = faulty ? take() : 0;
    if (faulty) damaged_ = fault % 8;
    while (!bytes_.empty() && records_.size() < 8) add();
    // What a file is known by is its first line.
    if (damaged_ < entries_.size()) damage(damaged_ == 0 ? 1 : fault / 8);
    write(choice / 4);
  }

  void check() const {
    const Found found = read(file_);
    const bool is_damaged = damaged_ < entries_.size();
    CHECK(found.damaged.size() == (is_damaged ? 1 : 0));
    CHECK(!is_damaged || found.damaged[0] == place_);
    CHECK(found.records.size() == records_.size());
    for (size_t i = 0; i < records_.size(); ++i) {
      CHECK(found.records[i].partition_key == records_[i].partition_key);
      CHECK(found.records[i].sequence_number == records_[i].sequence_number);
      CHECK(found.records[i].data == records_[i].data);
      check_events(records_[i]);
    }
  }

 private:
  uint8_t take() {
    if (bytes_.empty()) return 1;
    bytes_.remove_prefix(1);
    return static_cast<uint8_t>(bytes_.data()[-1]);
  }

  std::string take_text() {
    const size_t size = take() % 64;
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(text.size());
    return text;
  }

  void add() {
    KinesisRecord record;
    record.sequence_number = std::to_string(take() * 1'000'003);
    record.partition_key = millrace::utf8_repaired(take_text());
    record.data = take_text();
    // The order of a local stream; the members of a GetRecords reply come in any.
    nlohmann::ordered_json entry;
    entry["SequenceNumber"] = record.sequence_number;
    entry["ApproximateArrivalTimestamp"] = 1700000000.123;
    entry["PartitionKey"] = record.partition_key;
    entry["Data"] = base64(record.data);
    entries_.push_back(entry);
    records_.push_back(std::move(record));
  }

  void damage(uint8_t how) {
    auto& entry = entries_[damaged_];
    cut_ = how % 4 == 0;
    if (how % 4 == 1) entry["Data"] = "not base64";
    if (how % 4 == 2) entry["Data"] = 5;
    if (how % 4 == 3) entry.erase("Data");
    records_.erase(records_.begin() + static_cast<ptrdiff_t>(damaged_));
  }

  void write(uint8_t form) {
    const bool in_lines = form % 4 < 2;  // a stream, or a reply each
    const bool in_replies = form % 4 == 1;
    const bool pretty = form % 4 == 3;
    if (in_lines) {
      const std::string end = form / 8 % 2 == 0 ? "\n" : "\r\n";
      for (size_t i = 0; i < entries_.size(); ++i) file_ += line(i, in_replies) + end;
      place_ = "input:" + std::to_string(damaged_ + 1);
      if (in_replies && !cut_) place_ += ": Records[0]";
    } else {
      if (cut_) entries_[damaged_].erase("Data");
      file_ = reply(entries_).dump(pretty ? 4 : -1) + "\n";
      place_ = (pretty ? "input: Records[" : "input:1: Records[") + std::to_string(damaged_) + "]";
    }
    const bool ends = form / 4 % 2 == 0;
    while (!ends && (file_.ends_with('\n') || file_.ends_with('\r'))) file_.pop_back();
  }

  static nlohmann::ordered_json reply(const std::vector<nlohmann::ordered_json>& entries) {
    return {{"MillisBehindLatest", 0}, {"Records", entries}};
  }

  std::string line(size_t i, bool in_reply) const {
    const std::string text = (in_reply ? reply({entries_[i]}) : entries_[i]).dump();
    return text.substr(0, i == damaged_ && cut_ ? text.size() - 1 : text.size());
  }

  std::string_view bytes_;  // not used yet
  std::vector<KinesisRecord> records_;
  std::vector<nlohmann::ordered_json> entries_;
  size_t damaged_ = SIZE_MAX;  // of entries_
  bool cut_ = false;           // its line ends early
  std::string place_;          // of the damaged one
  std::string file_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_any(bytes);
  Written(bytes).check();
  return 0;
}
