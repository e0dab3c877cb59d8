// SPDX-License-Identifier: Apache-2.0
// Any value as JSON text, in any of the forms that the library writes: the rewriter makes of it
// what the library reads, and the splitter finds where it ends.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "input/forward/json_mode.h"
#include "input/forward/json_rewriter.h"
#include "tests/support/any_json.h"

namespace millrace::input {
namespace {

constexpr uint64_t kLimit = 64 << 20;

std::string written(const nlohmann::json& value, std::mt19937_64& random) {
  const int indent = static_cast<int>(random() % 4) - 1;  // none, or so many blanks
  const char blank = (random() & 1) != 0 ? ' ' : '\t';
  const bool ascii = (random() & 1) != 0;
  return value.dump(indent, blank, ascii);
}

RC_GTEST_PROP(JsonModeProperty, TheRewriterAgreesWithTheLibrary, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  JsonRewriter rewriter;
  for (int i = 0; i < 10; ++i) {
    const nlohmann::json value = testing::any_json(random, 0);
    const std::string text = written(value, random);
    RC_ASSERT(rewriter.rewrite(text));
    RC_ASSERT(nlohmann::json::from_msgpack(rewriter.output()) == value);
    RC_ASSERT(rewriter.replaced_texts() == 0U);
  }
}

RC_GTEST_PROP(JsonModeProperty, TheSplitterFindsTheEnd, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  nlohmann::json message = nlohmann::json::array({"tag", 1});
  for (size_t left = random() % 5; left > 0; --left) {
    message.push_back(testing::any_json(random, 1));
  }
  const std::string text = written(message, random);
  const std::string stream = text + (random() % 2 == 0 ? "\n[1]" : "{}");
  JsonSplitter whole(kLimit);
  RC_ASSERT(whole.scan(stream) == JsonSplitter::Status::kValue);
  RC_ASSERT(whole.size() == text.size());
  JsonSplitter pieces(kLimit);
  size_t arrived = 0;
  while (arrived + 1 < text.size()) {
    arrived = std::min(text.size() - 1, arrived + 1 + random() % 64);
    RC_ASSERT(pieces.scan(stream.substr(0, arrived)) == JsonSplitter::Status::kNeedMore);
  }
  RC_ASSERT(pieces.scan(stream) == JsonSplitter::Status::kValue);
  RC_ASSERT(pieces.size() == text.size());
}

}  // namespace
}  // namespace millrace::input
