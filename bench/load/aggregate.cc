// SPDX-License-Identifier: Apache-2.0
#include "bench/load/aggregate.h"

#include <cstring>

#include "base/digest.h"

namespace millrace::bench {
namespace {

constexpr std::string_view kMagic("\xf3\x89\x9a\xc2", 4);
constexpr size_t kMd5Size = 16;
constexpr std::string_view kSeqKey = "\"seq\":\"";
constexpr size_t kSeqDigits = 12;
constexpr size_t kNone = SIZE_MAX;

// The wire form of protobuf, as far as this message uses it.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool done() const { return p_ == end_; }

  bool varint(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && p_ < end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*p_++);
      value |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool field(std::string_view& bytes) {
    uint64_t size = 0;
    if (!varint(size) || size > static_cast<uint64_t>(end_ - p_)) return false;
    bytes = {p_, static_cast<size_t>(size)};
    p_ += size;
    return true;
  }

 private:
  const char* p_;
  const char* end_;
};

// Searched from the end: `seq` is the last key of an event, only what was injected follows it.
bool find_seq(std::string_view json, uint64_t& seq) {
  const size_t at = json.rfind(kSeqKey);
  if (at == std::string_view::npos) return false;
  const char* digits = json.data() + at + kSeqKey.size();
  if (json.size() - at - kSeqKey.size() < kSeqDigits + 1 || digits[kSeqDigits] != '"') return false;
  seq = 0;
  for (size_t i = 0; i < kSeqDigits; ++i) {
    if (digits[i] < '0' || digits[i] > '9') return false;
    seq = seq * 10 + static_cast<uint64_t>(digits[i] - '0');
  }
  return true;
}

const char* read_record(std::string_view record, size_t key_index, std::vector<uint64_t>& seqs) {
  Wire wire(record);
  uint64_t tag = 0;
  uint64_t index = 0;
  bool has_index = false;
  std::string_view data;
  bool has_data = false;
  while (!wire.done()) {
    if (!wire.varint(tag)) return "a record's field has no end";
    if (tag == 0x08 && wire.varint(index)) {
      has_index = true;
    } else if (tag == 0x1a && wire.field(data)) {
      has_data = true;
    } else {
      return "a record holds another field than key index and data";
    }
  }
  if (!has_index || !has_data) return "a record without key index or data";
  if (key_index == kNone || index != key_index) return "a record of another partition key";
  uint64_t seq = 0;
  if (!find_seq(data, seq)) return "a record without seq";
  seqs.push_back(seq);
  return nullptr;
}

bool md5_holds(std::string_view message, std::string_view digest) {
  const Md5Bytes computed = md5(message);
  return std::memcmp(computed.data(), digest.data(), kMd5Size) == 0;
}

}  // namespace

const char* read_aggregate(std::string_view data, std::string_view partition_key, bool check_md5,
                           std::vector<uint64_t>& seqs) {
  if (data.substr(0, kMagic.size()) != kMagic) return "no magic";
  data.remove_prefix(kMagic.size());
  if (data.size() <= kMd5Size) return "too short";
  const std::string_view message = data.substr(0, data.size() - kMd5Size);
  if (check_md5 && !md5_holds(message, data.substr(message.size()))) return "wrong MD5";
  Wire wire(message);
  size_t table_size = 0;
  size_t key_index = kNone;  // where the request's key stands in the table
  while (!wire.done()) {
    uint64_t tag = 0;
    std::string_view bytes;
    if (!wire.varint(tag) || !wire.field(bytes)) return "a field has no end";
    if (tag == 0x0a) {
      if (bytes == partition_key) key_index = table_size;
      ++table_size;
    } else if (tag == 0x1a) {
      if (const char* problem = read_record(bytes, key_index, seqs)) return problem;
    } else {
      return "a field that is neither key nor record";
    }
  }
  return nullptr;
}

}  // namespace millrace::bench
