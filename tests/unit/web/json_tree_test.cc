#include "web/json_tree.h"

#include <gmock/gmock.h>

#include <string>

#include "testing/status_matchers.h"

namespace tensorferry::web {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr TreeLimits kSmall{.values = 6, .depth = 3, .text_bytes = 8};

TEST(TreeSax, MakesTheTreeThatTheParserMakes) {
  const std::string text = R"({"a": [1, -2, 2.5, true, null, "b\u00e4"], "c": {"a": {}}, "a b": 18446744073709551615})";
  TreeSax sax(TreeLimits{});
  ASSERT_TRUE(json::sax_parse(text, &sax));
  EXPECT_EQ(sax.tree(), json::parse(text));
}

TEST(TreeSax, TakesWhatIsWithinItsLimits) {
  for (const std::string text : {"[1,2,3,4,5]", "[[[]]]", R"({"1234": "5678"})"}) {
    TreeSax sax(kSmall);
    EXPECT_TRUE(json::sax_parse(text, &sax)) << text << sax.error();
  }
}

TEST(TreeSax, RefusesWhatIsBeyond) {
  for (const auto& [text, why] :
       {std::pair("[1,2,3,4,5,6]", "too many values"), std::pair("[[[[]]]]", "too deep"),
        std::pair(R"({"1234": "56789"})", "too long texts"), std::pair("[1,]", "cannot be read at byte 4"),
        std::pair(R"({"a":1,"a":1})", "a name twice")}) {
    TreeSax sax(kSmall);
    EXPECT_FALSE(json::sax_parse(std::string(text), &sax)) << text;
    EXPECT_THAT(sax.error(), Fails(Reason::kBadHeader, HasSubstr(why)));
  }
}

// The parser drops what it has kept when the next text or number begins.
TEST(LongestToken, IsTheLongestPieceThatTheParserKeeps) {
  EXPECT_EQ(LongestToken(""), 0);
  EXPECT_EQ(LongestToken("[1,2,3]"), 2);
  EXPECT_EQ(LongestToken(R"(["abc", 1])"), 7);
  EXPECT_EQ(LongestToken(R"(["a\"b\\", 1])"), 10);
  EXPECT_EQ(LongestToken(R"(["\\\\", "b"])"), 8);
  EXPECT_EQ(LongestToken("[123.5e+7,1]"), 9);
  EXPECT_EQ(LongestToken(R"(["never ends)"), 11);
  EXPECT_EQ(LongestToken(std::string(100, ' ')), 100);
  EXPECT_EQ(LongestToken("[1" + std::string(100, '[')), 101);
}

TEST(RoomForTokens, CountsLongTokensAlone) {
  MemoryBudget budget(std::uint64_t{1} << 30);
  BufferPool pool(budget, 0);
  std::string numbers = "[";
  while (numbers.size() < 1 << 20) numbers += "1,";
  EXPECT_EQ(RoomForTokens(numbers, pool)->nbytes(), 0);
  const std::string text = '"' + std::string(1 << 20, 'x') + '"';
  EXPECT_GE(RoomForTokens(text, pool)->nbytes(), 4 * text.size());
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace tensorferry::web
