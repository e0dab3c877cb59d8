// SPDX-License-Identifier: Apache-2.0
#include "input/forward/message_reader.h"

#include <gtest/gtest.h>

#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;

class Reading : public ::testing::Test {
 protected:
  Step read(std::string_view bytes) {
    MessageReader reader(uint64_t{1} << 20, true);
    return reader.next(bytes, {inflater_, rewriter_});
  }

  Inflater inflater_{uint64_t{1} << 20};
  JsonRewriter rewriter_;
};

TEST_F(Reading, DecimalsAreOnlyOfJsonThatTheReaderHasWritten) {
  for (const std::string json : {"[\"t\",1,{\"n\":1}]", "[\"t\",[[1,{\"n\":1}]]]"}) {
    EXPECT_TRUE(read(json).decoded.message.decimals) << json;
  }
  // The client has packed these itself.
  EXPECT_FALSE(read("[\"t\",\"packed\"]").decoded.message.decimals);
  EXPECT_FALSE(read(hex("93 a1 74 01 81 a1 6e c7 01 64 37")).decoded.message.decimals);
}

TEST_F(Reading, TextsThatWereReplacedAreTold) {
  const Step step = read("[\"t\",1,{\"n\":\"\\ud800\"},{\"chunk\":\"\xff\"}]");
  ASSERT_EQ(step.kind, Step::Kind::kMessage);
  EXPECT_EQ(step.replaced_texts, 2u);
  EXPECT_EQ(step.decoded.message.chunk, "\xef\xbf\xbd");
}

// Why a payload does not unpack, and so what its operator can do about it.
TEST_F(Reading, EachRefusedPayloadHasItsReason) {
  std::string members;
  for (uint64_t i = 0; i <= Inflater::kMembersMax; ++i) members += hex("50 2a 4d 18 00 00 00 00");
  const std::pair<std::string, CloseReason> payloads[] = {
      {"plain", CloseReason::kInflateCorrupt},
      {test::zstd(std::string((1 << 20) + 1, 'x')), CloseReason::kInflateLimit},
      {members, CloseReason::kInflateMembers},
      {hex("28 b5 2f fd 00 88 01 00 00"), CloseReason::kInflateWindow},
  };
  for (const auto& [payload, reason] : payloads) {
    const std::string bytes =
        hex("93 a1 74") + test::bin32(payload) + hex("81 aa") + "compressed" + hex("a4") + "zstd";
    MessageReader reader(uint64_t{16} << 20, true);
    const Step step = reader.next(bytes, {inflater_, rewriter_});
    EXPECT_EQ(step.kind, Step::Kind::kUndecodable);
    EXPECT_EQ(step.reason, reason);
  }
  EXPECT_NE(std::string(info_of(CloseReason::kInflateMembers).message)
                .find(std::to_string(Inflater::kMembersMax)),
            std::string::npos);
}

// The tag of a message that has only begun is what it will be when it is whole.
TEST_F(Reading, TheTagIsToldBeforeTheMessageIsWhole) {
  const std::string umlaut = "\xc3\xa4";
  for (const auto& [literal, tag] :
       std::vector<std::pair<std::string, std::string>>{{R"("app")", "app"},
                                                        {R"("near\/app")", "near/app"},
                                                        {R"("\u00e4")", umlaut},
                                                        {"\"" + umlaut + "\"", umlaut},
                                                        {"\"\xff\"", "\xef\xbf\xbd"}}) {
    MessageReader reader(uint64_t{1} << 20, true);
    const std::string json = "[" + literal + ",1,{}]";
    const std::string_view begun = std::string_view(json).substr(0, json.size() - 1);
    ASSERT_EQ(reader.next(begun, {inflater_, rewriter_}).kind, Step::Kind::kNeedMore);
    EXPECT_EQ(reader.tag(begun, {inflater_, rewriter_}).value_or("none"), tag) << literal;
    EXPECT_FALSE(reader.tag(begun.substr(0, 2), {inflater_, rewriter_}));
    const Step step = reader.next(json, {inflater_, rewriter_});
    EXPECT_EQ(step.decoded.message.tag, tag);
  }
}

}  // namespace
}  // namespace millrace::input
