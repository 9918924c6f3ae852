#include "security/tokens.h"

#include <gmock/gmock.h>

#include <string>
#include <string_view>

#include "testing/status_matchers.h"

namespace tensorferry::security {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Tokens, HaveTheRolesOfTheirLines) {
  const Tokens tokens = Tokens::Parse("infer a\nadmin b\nmetrics c\ninfer d\nmetrics d").value();
  EXPECT_EQ(tokens.Find("a"), Roles(Role::kInfer));
  EXPECT_EQ(tokens.Find("b"), Roles(Role::kAdmin));
  EXPECT_EQ(tokens.Find("c"), Roles(Role::kMetrics));
  EXPECT_EQ(tokens.Find("d"), Roles(Role::kInfer) | Role::kMetrics);
  EXPECT_EQ(tokens.size(), 4u);
  for (const std::string_view other : {"", "A", "aa", "infer", "infer a", "a\n"}) {
    EXPECT_TRUE(tokens.Find(other).empty()) << other;
  }
}

TEST(NamesOf, NamesEachRoleOfASet) {
  EXPECT_EQ(NamesOf(Roles()), "none");
  EXPECT_EQ(NamesOf(Role::kInfer), "infer");
  EXPECT_EQ(NamesOf(Role::kAdmin), "admin");
  EXPECT_EQ(NamesOf(Role::kMetrics), "metrics");
  EXPECT_EQ(NamesOf(Roles(Role::kMetrics) | Role::kInfer), "infer, metrics");
  EXPECT_EQ(NamesOf(Roles(Role::kMetrics) | Role::kInfer | Role::kAdmin), "infer, admin, metrics");
}

TEST(Tokens, StandBetweenBlanksAndComments) {
  const Tokens tokens = Tokens::Parse("# infer commented\n\n  \t\r\n\tinfer \t abc-._~+/=1\t \r\nadmin x").value();
  EXPECT_EQ(tokens.Find("abc-._~+/=1"), Roles(Role::kInfer));
  EXPECT_EQ(tokens.Find("x"), Roles(Role::kAdmin));
  EXPECT_EQ(tokens.size(), 2u);
}

TEST(Tokens, OfOtherLinesAreRefusedWithoutShowingThem) {
  for (const std::string line : {"infer", "hush", "root hush", "Infer hush", "infer hush hush", "infer hush\x01",
                                 "infer h\xc3\xbcsh", "hush infer", "infer hush # a comment"}) {
    const absl::Status error = Tokens::Parse("infer first\n" + line + "\n").status();
    EXPECT_THAT(std::string(error.message()), HasSubstr("line 2 is not ROLE TOKEN")) << line;
    EXPECT_THAT(std::string(error.message()), Not(HasSubstr("hush")));
  }
}

TEST(Tokens, AreThere) {
  for (const std::string text : {"", "\n\n", "# infer x\n"}) {
    EXPECT_THAT(std::string(Tokens::Parse(text).status().message()), HasSubstr("it has no token"));
  }
}

TEST(BearerToken, IsWhatFollowsTheScheme) {
  for (const std::string_view value : {"Bearer a.b", "bearer a.b", "BEARER   a.b"}) {
    EXPECT_EQ(BearerToken(value), "a.b") << value;
  }
  for (const std::string_view value : {"", "Bearer", "Bearer ", "Bearera", "Basic a", "a", " Bearer a"}) {
    EXPECT_EQ(BearerToken(value), "") << value;
  }
}

TEST(NamesOf, ListsTheRoles) {
  EXPECT_EQ(NamesOf(Roles()), "none");
  EXPECT_EQ(NamesOf(Role::kAdmin), "admin");
  EXPECT_EQ(NamesOf(Roles(Role::kMetrics) | Role::kInfer), "infer, metrics");
}

TEST(Tokens, AreEqualIfTheirLinesSayTheSame) {
  EXPECT_EQ(Tokens::Parse("infer a").value(), Tokens::Parse("# the same\ninfer  a\n").value());
  EXPECT_NE(Tokens::Parse("infer a").value(), Tokens::Parse("admin a").value());
  EXPECT_NE(Tokens::Parse("infer a").value(), Tokens::Parse("infer b").value());
}

}  // namespace
}  // namespace tensorferry::security
