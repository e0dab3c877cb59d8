// SPDX-License-Identifier: Apache-2.0
// What a client sends, what is stored of it and what it reads back: one row a construct of the
// protocol, each over a real connection, in one piece and in pieces of one byte.

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::hex;
using test::TcpClient;

const std::string kX = hex("a4 74 65 73 74");  // tag "test"
const std::string kT = hex("ce 65 53 f1 00");  // 1700000000
const std::string kA1 = hex("81 a1 61 01");    // {"a":1}
const std::string kA2 = hex("81 a1 61 02");
const std::string kC = hex("81 a5 63 68 75 6e 6b a2 63 31");  // {"chunk":"c1"}
const std::string kAck = hex("81 a3 61 63 6b a2 63 31");
const std::string kE1 = hex("92") + kT + kA1;
const std::string kE2 = hex("92") + kT + kA2;
const std::string kV2 = hex("92 92 d7 00 65 53 f1 00 00 00 00 05 80 81 a1 6e 02");
const std::string kMapN2 = hex("81 a1 6e 02");
constexpr EventTime kTime{1700000000, 0};
constexpr EventTime kTime5{1700000000, 5};

std::string compressed_option(const std::string& kind) {
  return hex("82 aa") + "compressed" + static_cast<char>(0xa0 + kind.size()) + kind +
         hex("a5 63 68 75 6e 6b a2 63 31");
}

enum class Then { kOpen, kFin };

struct Row {
  std::string name;
  std::string sent;
  std::vector<std::pair<EventTime, std::string>> stored;
  std::string reply;
  Then then = Then::kOpen;
  uint64_t discarded = 0;  // entries passed over
  std::vector<Metric> counted = {};
};

using Rows = std::vector<Row>;
const std::vector<std::pair<EventTime, std::string>> kBoth = {{kTime, kA1}, {kTime, kA2}};
const std::string kTwo = kE1 + kE2;
const std::string kGzip = test::gzip(kTwo);

Rows time_and_message_rows() {
  return {
      {"message", hex("93") + kX + kT + kA1, {{kTime, kA1}}, ""},
      {"message_chunk", hex("94") + kX + kT + kA1 + kC, {{kTime, kA1}}, kAck},
      {"message_nil_option", hex("94") + kX + kT + kA1 + hex("c0"), {{kTime, kA1}}, ""},
      {"message_empty_option", hex("94") + kX + kT + kA1 + hex("80"), {{kTime, kA1}}, ""},
      {"message_extra_element",
       hex("95") + kX + kT + kA1 + kC + hex("a1 7a"),
       {{kTime, kA1}},
       kAck},
      {"event_time_fixext",
       hex("93") + kX + hex("d7 00 65 53 f1 00 07 5b cd 15 80"),
       {{{1700000000, 123456789}, hex("80")}},
       ""},
      {"event_time_ext8",
       hex("93") + kX + hex("c7 08 00 65 53 f1 00 07 5b cd 15 80"),
       {{{1700000000, 123456789}, hex("80")}},
       ""},
      {"unsigned_seconds",
       hex("93") + kX + hex("d7 00 ff ff ff ff 00 00 00 01 80"),
       {{{4294967295, 1}, hex("80")}},
       ""},
      {"time_zero", hex("93") + kX + hex("00") + kA1, {{kServerNow, kA1}}, ""},
      {"float_time",
       hex("93") + kX + hex("cb 41 d9 54 fc 40 20 00 00") + kA1,
       {{{1700000000, 500000000}, kA1}},
       ""},
      {"old_heartbeat", hex("92 a0 90"), {}, ""},
      {"nil", hex("c0 c0"), {}, ""},
  };
}

Rows payload_rows() {
  const std::string zs = test::zstd(kTwo);
  const std::string split = test::gzip(kTwo.substr(0, 7)) + test::gzip(kTwo.substr(7));
  const std::string split_zstd = test::zstd(kTwo.substr(0, 7)) + test::zstd(kTwo.substr(7));
  return {
      {"forward", hex("92") + kX + hex("92") + kTwo, kBoth, ""},
      {"forward_chunk", hex("93") + kX + hex("92") + kTwo + kC, kBoth, kAck},
      {"forward_empty", hex("93") + kX + hex("90") + kC, {}, kAck},
      {"packed_bin", hex("93") + kX + hex("c4 0a") + kE1 + kC, {{kTime, kA1}}, kAck},
      {"packed_str32", hex("93") + kX + hex("db 00 00 00 0a") + kE1 + kC, {{kTime, kA1}}, kAck},
      {"packed_empty", hex("93") + kX + hex("c4 00") + kC, {}, kAck},
      {"packed_text_wrong_size",
       hex("93") + kX + hex("c4 0a") + kE1 + hex("82 aa") + "compressed" + hex("a4 74 65 78 74") +
           hex("a4 73 69 7a 65 63"),
       {{kTime, kA1}},
       ""},
      {"gzip", hex("93") + kX + test::bin32(kGzip) + compressed_option("gzip"), kBoth, kAck},
      {"gzip_split_entry", hex("93") + kX + test::bin32(split) + compressed_option("gzip"), kBoth,
       kAck},
      {"gzip_empty", hex("93") + kX + hex("c4 00") + compressed_option("gzip"), {}, kAck},
      {"zstd", hex("93") + kX + test::bin32(zs) + compressed_option("zstd"), kBoth, kAck},
      {"zstd_two_frames", hex("93") + kX + test::bin32(split_zstd) + compressed_option("zstd"),
       kBoth, kAck},
  };
}

Rows option_rows() {
  return {
      {"chunk_int",
       hex("94") + kX + kT + kA1 + hex("81 a5 63 68 75 6e 6b 4d"),
       {{kTime, kA1}},
       hex("81 a3 61 63 6b 4d")},
      {"chunk_bin",
       hex("94") + kX + kT + kA1 + hex("81 a5 63 68 75 6e 6b c4 02 01 02"),
       {{kTime, kA1}},
       hex("81 a3 61 63 6b c4 02 01 02")},
      {"chunk_nil", hex("94") + kX + kT + kA1 + hex("81 a5 63 68 75 6e 6b c0"), {{kTime, kA1}}, ""},
      {"chunk_false",
       hex("94") + kX + kT + kA1 + hex("81 a5 63 68 75 6e 6b c2"),
       {{kTime, kA1}},
       ""},
      {"chunk_too_long",
       hex("94") + kX + kT + kA1 + hex("81 a5 63 68 75 6e 6b da 04 01") + std::string(1025, 'x'),
       {{kTime, kA1}},
       "",
       Then::kOpen,
       0,
       {Metric::kOddChunkOption}},
      {"option_int", hex("93") + kX + hex("91") + kE1 + hex("07"), {{kTime, kA1}}, ""},
      {"option_array",
       hex("93") + kX + hex("91") + kE1 + hex("91 a5 63 68 75 6e 6b"),
       {{kTime, kA1}},
       ""},
  };
}

Rows fluent_bit_rows() {
  return {
      {"fluent_bit_v2", hex("92") + kX + hex("91") + kV2, {{kTime5, kMapN2}}, ""},
      {"fluent_bit_v2_packed", hex("92") + kX + test::bin32(kV2), {{kTime5, kMapN2}}, ""},
      {"fluent_bit_v2_gzip",
       hex("93") + kX + test::bin32(test::gzip(kV2)) + compressed_option("gzip"),
       {{kTime5, kMapN2}},
       kAck},
      {"option_map32",
       hex("93") + kX + hex("91") + kE1 + hex("df 00 00 00 02 a4 73 69 7a 65 01 ad") +
           "fluent_signal" + hex("00"),
       {{kTime, kA1}},
       ""},
      {"group_markers",
       hex("92") + kX + hex("93 92 92 d7 00 ff ff ff ff 00 00 00 00 80 80") + kV2 +
           hex("92 92 d7 00 ff ff ff fe 00 00 00 00 80 80"),
       {{kTime5, kMapN2}},
       ""},
      {"metrics_signal",
       hex("93") + kX + hex("c4 03 01 02 03 82 ad") + "fluent_signal" +
           hex("01 a5 63 68 75 6e 6b a2 63 31"),
       {},
       kAck,
       Then::kOpen,
       0,
       {Metric::kDiscardedSignal}},
      {"message_metadata",
       hex("94") + kX + kT + kA1 + hex("82 a8") + "metadata" + hex("81 a1 6b a1 76") +
           hex("a5 63 68 75 6e 6b a2 63 31"),
       {{kTime, kA1}},
       kAck},
      {"chunk_hex32",
       hex("94") + kX + kT + kA1 + hex("81 a5 63 68 75 6e 6b d9 20") + std::string(32, 'f'),
       {{kTime, kA1}},
       hex("81 a3 61 63 6b d9 20") + std::string(32, 'f')},
  };
}

Rows bad_entry_rows() {
  return {
      {"deep_record",
       hex("93") + kX + kT + hex("81 a1 61") + std::string(128, '\x91') + hex("c0"),
       {{kTime, hex("81 a1 61") + std::string(128, '\x91') + hex("c0")}},
       ""},
      {"deeper_record",
       hex("93") + kX + kT + hex("81 a1 61") + std::string(100'000, '\x91') + hex("c0"),
       {{kTime, hex("81 a1 61") + std::string(100'000, '\x91') + hex("c0")}},
       ""},
      {"ext_in_record",
       hex("93") + kX + hex("92") + kE1 + hex("92") + kT + hex("81 a1 61 d4 05 01") + kC,
       {{kTime, kA1}, {kTime, hex("81 a1 61 d4 05 01")}},
       kAck},
      {"bad_entries",
       hex("93") + kX + hex("95") + kE1 + hex("92") + kT + hex("a1 78") + hex("05") +
           hex("92 c0 80") + kE2 + kC,
       kBoth, kAck, Then::kOpen, 3},
      {"packed_scalars", hex("93") + kX + hex("c4 03 01 02 c0") + kC, {}, kAck, Then::kOpen, 3},
      {"packed_truncated",
       hex("93") + kX + hex("c4 0d") + kE1 + hex("92 ce 65") + kC,
       {{kTime, kA1}},
       kAck,
       Then::kOpen,
       1},
      {"record_nil", hex("94") + kX + kT + hex("c0") + kC, {}, kAck, Then::kOpen, 1},
      {"no_record", hex("92") + kX + kT, {}, "", Then::kOpen, 0, {Metric::kDiscardedMessage}},
      {"empty_array", hex("90"), {}, "", Then::kOpen, 0, {Metric::kDiscardedMessage}},
      {"tag_not_a_string",
       hex("94 05") + kT + kA1 + kC,
       {},
       kAck,
       Then::kOpen,
       0,
       {Metric::kDiscardedMessage}},
  };
}

Rows refused_rows() {
  return {
      {"gzip_over_plain",
       hex("93") + kX + test::bin32(kTwo) + compressed_option("gzip"),
       {},
       "",
       Then::kFin,
       0,
       {Metric::kClosedInflate}},
      {"gzip_truncated",
       hex("93") + kX + test::bin32(kGzip.substr(0, kGzip.size() - 6)) + compressed_option("gzip"),
       {},
       "",
       Then::kFin,
       0,
       {Metric::kClosedInflate}},
      {"unknown_compression",
       hex("93") + kX + test::bin32(kTwo) + compressed_option("lz4"),
       {},
       "",
       Then::kFin,
       0,
       {Metric::kClosedCompression}},
      {"packed_malformed",
       hex("93") + kX + hex("c4 0b") + kE1 + hex("c1") + kC,
       {},
       "",
       Then::kFin,
       0,
       {Metric::kClosedMalformed}},
      {"top_level_int",
       hex("05"),
       {},
       "",
       Then::kFin,
       0,
       {Metric::kDiscardedMessage, Metric::kClosedMalformed}},
      {"top_level_map", hex("81 01 02"), {}, "", Then::kFin, 0, {Metric::kDiscardedMessage}},
      {"malformed", hex("c1"), {}, "", Then::kFin, 0, {Metric::kClosedMalformed}},
      {"bin_of_4_gib",
       hex("92") + kX + hex("c6 ff ff ff ff"),
       {},
       "",
       Then::kFin,
       0,
       {Metric::kClosedFrameLimit}},
      {"map_of_4_g",
       hex("93") + kX + kT + hex("df ff ff ff ff"),
       {},
       "",
       Then::kFin,
       0,
       {Metric::kClosedFrameLimit}},
      {"http", "GET / HTTP/1.1\r\n\r\n", {}, "", Then::kFin, 0, {Metric::kClosedForeign}},
      {"tls", hex("16 03 01 00 10 01 00 00 0c"), {}, "", Then::kFin, 0, {Metric::kClosedForeign}},
      {"ssh", "SSH-2.0-client\r\n", {}, "", Then::kFin, 0, {Metric::kClosedForeign}},
  };
}

Rows all_rows() {
  Rows all;
  for (const auto rows : {time_and_message_rows, payload_rows, option_rows, fluent_bit_rows,
                          bad_entry_rows, refused_rows}) {
    for (Row& row : rows()) all.push_back(std::move(row));
  }
  return all;
}

class Conformance : public testing::TestWithParam<Row> {
 protected:
  void run(bool in_pieces) {
    const Row row = GetParam();
    ForwardServer server;
    TcpClient client(server.port());
    ASSERT_TRUE(client.connected());
    if (in_pieces) {
      // The server may close before the last byte, as it should.
      for (const char byte : row.sent.substr(0, 4096)) client.send({&byte, 1});
      if (row.sent.size() > 4096) client.send(std::string_view(row.sent).substr(4096));
    } else {
      client.send(row.sent);
    }
    if (row.then == Then::kOpen) {
      // A following message proves that the connection is usable and that no other reply came.
      ASSERT_TRUE(client.send(hex("94 a4 70 69 6e 67 05 80 81 a5 63 68 75 6e 6b a1 70")));
      const std::string expected = row.reply + hex("81 a3 61 63 6b a1 70");
      EXPECT_EQ(client.receive_exactly(expected.size()), expected);
      client.shut_down();
    }
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_EQ(client.state(), TcpClient::State::kEnded);
    std::vector<Event> expected;
    for (const auto& [time, record] : row.stored) expected.push_back({"test", time, record});
    if (row.then == Then::kOpen) expected.push_back({"ping", {5, 0}, hex("80")});
    EXPECT_EQ(server.events(), expected);
    EXPECT_EQ(server.ask<uint64_t>([&] { return server.receiver_.discarded; }), row.discarded);
    for (const Metric metric : row.counted) EXPECT_EQ(server.count(metric), 1u);
    client.close();
    EXPECT_TRUE(eventually([&] { return server.count(Metric::kConnections) == 0; }));
    EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
    EXPECT_EQ(server.count(Metric::kPausedConnections), 0u);
  }
};

INSTANTIATE_TEST_SUITE_P(Forward, Conformance, testing::ValuesIn(all_rows()),
                         [](const testing::TestParamInfo<Row>& row) { return row.param.name; });

TEST_P(Conformance, InOnePiece) { run(false); }
TEST_P(Conformance, ByteByByte) { run(true); }

}  // namespace
}  // namespace millrace::input
