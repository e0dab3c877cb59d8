// SPDX-License-Identifier: Apache-2.0
#pragma once

// Messages in Message mode and their acks, as tests write them.

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/unit/input/forward_server.h"

namespace millrace::input {

inline const std::string kRecord = test::hex("81 a1 61 01");

inline std::string ack_of(const std::string& chunk) {
  return test::hex("81 a3 61 63 6b") + static_cast<char>(0xa0 + chunk.size()) + chunk;
}

inline void expect_reply(test::TcpClient& client, const std::string& expected) {
  EXPECT_EQ(client.receive_exactly(expected.size()), expected);
  EXPECT_EQ(client.state(), test::TcpClient::State::kOpen);
}

// [tag, 5, record, {"chunk": chunk}]
inline std::string message(const std::string& chunk, const std::string& record = kRecord,
                           const std::string& tag = "test") {
  return test::hex("94") + static_cast<char>(0xa0 + tag.size()) + tag + test::hex("05") + record +
         test::hex("81 a5 63 68 75 6e 6b") + static_cast<char>(0xa0 + chunk.size()) + chunk;
}

inline std::string big_message(const std::string& chunk, size_t bytes,
                               const std::string& tag = "test") {
  return message(
      chunk,
      test::hex("81 a1 61 c6") + test::be32(static_cast<uint32_t>(bytes)) + std::string(bytes, 'x'),
      tag);
}

// [tag, gzip of `entries`, {"compressed": "gzip", "chunk": chunk}]; a chunk of two characters.
inline std::string packed_message(const std::string& entries, const std::string& chunk,
                                  const std::string& tag = "test") {
  return test::hex("93") + static_cast<char>(0xa0 + tag.size()) + tag +
         test::bin32(test::gzip(entries)) + test::hex("82 aa") + "compressed" + test::hex("a4") +
         "gzip" + test::hex("a5 63 68 75 6e 6b a2") + chunk;
}

inline ListenerOptions options_with(const std::function<void(ListenerOptions&)>& change) {
  ListenerOptions options{.source = ForwardServer::local_source()};
  change(options);
  return options;
}

}  // namespace millrace::input
