// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an aggregated record looks like on the wire: the constants that writer and reader share.
// Source: awslabs/amazon-kinesis-producer, aggregation-format.md; the messages in proto/kpl.proto.
//
//   magic | protobuf AggregatedRecord | MD5 of the protobuf bytes
//
// The protobuf bytes that millrace writes are a table, then one fragment per record:
//   table     0a <size> <partition key>            (kpl_compat "fluentd": 0a 01 'a' before it)
//   fragment  1a <size> 08 <index> 1a <size> <data>
// Values; any thread.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::kpl {

inline constexpr std::string_view kMagic = "\xf3\x89\x9a\xc2";
inline constexpr size_t kDigestBytes = 16;

/// Fewer bytes than this are not an aggregated record to any reader (magic, one byte, digest).
inline constexpr size_t kAggregateBytesMin = 21;

/// Field number << 3 | wire type.
inline constexpr char kTagPartitionKey = 0x0a;     // AggregatedRecord.partition_key_table
inline constexpr char kTagExplicitHashKey = 0x12;  // AggregatedRecord.explicit_hash_key_table
inline constexpr char kTagRecord = 0x1a;           // AggregatedRecord.records
inline constexpr char kTagKeyIndex = 0x08;         // Record.partition_key_index
inline constexpr char kTagData = 0x1a;             // Record.data

/// A Kinesis partition key: 1 to 256 characters (API reference, PutRecord), at most 4 bytes each.
inline constexpr size_t kPartitionKeyCharactersMax = 256;
inline constexpr size_t kPartitionKeyBytesMax = 1024;

/// Bytes of a varint: seven bits each.
constexpr size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

constexpr char* put_varint(char* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(0x80 | (value & 0x7f));
  *out++ = static_cast<char>(value);
  return out;
}

}  // namespace millrace::kpl
