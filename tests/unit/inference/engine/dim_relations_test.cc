// These tests read relations between dimensions from generated source, as torch 2.13 writes it, and check sizes.
#include "inference/engine/dim_relations.h"

#include <ATen/ops/empty.h>
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "inference/engine/dim_expression.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::optional<std::size_t> SymbolByName(std::string_view name) {
  if (name == "s1") return 0;
  if (name == "s77") return 1;
  return std::nullopt;
}

struct ExpressionCase {
  std::string text;
  std::int64_t value;  // For s1 = 7 and s77 = 3.
  std::string for_people;
};

TEST(DimExpression, IsComputed) {
  const std::vector<std::int64_t> symbols{7, 3};
  for (const ExpressionCase& one : std::vector<ExpressionCase>{
           {"5L", 5, "5"},
           {"s77", 3, "b"},
           {"2L*s77", 6, "2 * b"},
           {"s1 + s77", 10, "a + b"},
           {"1L + 2L*s1 + (-1L)*s77", 12, "(1 + (2 * a)) + (-1 * b)"},
           {"(s1 % 4L)", 3, "a % 4"},
           {"s1 - s77 - 1L", 3, "(a - b) - 1"},
           {"(-s77) + s1", 4, "(0 - b) + a"},
           {"3L*(c10::div_floor_integer(static_cast<int64_t>(s1), static_cast<int64_t>(3L)))", 6, "3 * (a // 3)"},
           {"c10::div_floor_integer(static_cast<int64_t>(s77 - s1), static_cast<int64_t>(3L))", -2, "(b - a) // 3"}}) {
    const auto expression = DimExpression::Parse(one.text, SymbolByName);
    ASSERT_TRUE(expression) << one.text;
    EXPECT_EQ(expression->Value(symbols), one.value) << one.text;
    EXPECT_EQ(expression->ToText([](std::size_t symbol) { return symbol == 0 ? "a" : "b"; }), one.for_people);
  }
}

TEST(DimExpression, OfAnotherFormIsNotGuessed) {
  for (const std::string text :
       {"", "u0", "s1 +", "(s1", "s1)", "s1 s77", "std::max(s1, s77)", "s1 / 2L", "2.5", "99999999999999999999L"}) {
    EXPECT_FALSE(DimExpression::Parse(text, SymbolByName)) << text;
  }
  EXPECT_FALSE(DimExpression::Parse(std::string(10000, '(') + "s1", SymbolByName)) << "no recursion without end";
  std::string sum = "s1";
  for (int i = 0; i < 1000; ++i) sum += " + s1";
  EXPECT_FALSE(DimExpression::Parse(sum, SymbolByName)) << "longer than any that torch writes";
}

TEST(DimExpression, IsReadInPython) {
  const std::vector<std::int64_t> symbols{7, 3};
  const auto parse = [](const std::string& text) {
    return DimExpression::Parse(text, SymbolByName, DimExpression::Language::kPython);
  };
  for (const auto& [text, value] : std::vector<std::pair<std::string, std::int64_t>>{
           {"2*s77 + 1", 7},
           {"(s1 - 9) // 4", -1},
           {"(s1 - 9) % 4", 2},
           {"Symbol('s77', positive=True, integer=True)", 3},
           {"Add(Mul(Integer(2), Symbol('s77', positive=True, integer=True)), Integer(-2))", 4},
           {"FloorDiv(Symbol('s1', integer=True), Integer(2))", 3},
           {"Mod(Symbol('s1', integer=True), Integer(4))", 3},
           {"Max(Integer(1), Symbol('s1', integer=True), Integer(9))", 9},
           {"min(s1, s77)", 3}}) {
    ASSERT_TRUE(parse(text)) << text;
    EXPECT_EQ(parse(text)->Value(symbols), value) << text;
  }
  for (const std::string text : {"s1 ** 2", "s1 / 2", "Pow(Symbol('s1'), Integer(2))", "Symbol('u0')", "Symbol('s1'",
                                 "Symbol('", "Mul()", "Integer(s1)", "not s1"}) {
    EXPECT_FALSE(parse(text)) << text;
  }
}

TEST(DimExpression, HasNoValueBeyond64Bits) {
  const std::vector<std::int64_t> symbols{std::numeric_limits<std::int64_t>::max(), 0};
  for (const std::string text : {"s1 + 1L", "2L*s1", "s1 % s77"}) {
    EXPECT_EQ(DimExpression::Parse(text, SymbolByName)->Value(symbols), std::nullopt) << text;
  }
}

// Checks one-dimensional inputs of these sizes.
absl::Status Check(const DimRelations& relations, const std::vector<std::int64_t>& sizes, std::int64_t least_rows = 0) {
  std::vector<at::Tensor> inputs;
  for (const std::int64_t size : sizes) inputs.push_back(at::empty({size}));
  return relations.Check(inputs, least_rows);
}

std::vector<InputBounds> BoundsOf(const std::vector<std::string>& symbols) {
  std::vector<InputBounds> bounds;
  for (const std::string& symbol : symbols) bounds.push_back({.dims = {{.symbol = symbol}}});
  return bounds;
}

std::string Assertion(const std::string& condition, const std::string& indent = "    ") {
  return "\n" + indent + "if (!(" + condition + ")) { throw std::runtime_error(\"Expected it to be True\"); }\n";
}

TEST(DimRelations, AreMultiplesAndSums) {
  const DimRelations relations =
      DimRelations::Read("", BoundsOf({"s77", "s1", "2L*s77", "s1 + s77"}), {"x", "y", "double", "joined"});
  EXPECT_THAT(Check(relations, {3, 5, 6, 8}), IsOk());
  EXPECT_THAT(Check(relations, {3, 5, 7, 8}),
              Fails(Reason::kInputMismatch,
                    HasSubstr("of which dimension 0 of 'double' == 2 * dimension 0 of 'x'; got 7 and 6")));
  EXPECT_THAT(Check(relations, {3, 5, 6, 9}), Fails(Reason::kInputMismatch, HasSubstr("dimension 0 of 'joined'")));
}

TEST(DimRelations, AreAssertions) {
  const auto bounds = BoundsOf({"s77", "s1"});
  const std::string alias = "\n    int64_t s5 = s1;\n";
  struct Case {
    std::string condition;
    std::vector<std::int64_t> good, bad;
  };
  for (const Case& one : std::vector<Case>{{"s77 <= s1", {3, 3}, {4, 3}},
                                           {"s77 >= s5", {3, 3}, {2, 3}},
                                           {"s77 < s1", {2, 3}, {3, 3}},
                                           {"s77 > s1", {4, 3}, {3, 3}},
                                           {"s77 != s1", {2, 3}, {3, 3}},
                                           {"(s77 % 3L) == 0L", {6, 1}, {7, 1}},
                                           {"(s77 + s1) == 8L", {3, 5}, {3, 6}},
                                           {"3L*(c10::div_floor_integer(static_cast<int64_t>(s77), "
                                            "static_cast<int64_t>(3L))) >= 2L",
                                            {3, 1},
                                            {2, 1}}}) {
    const DimRelations relations = DimRelations::Read(alias + Assertion(one.condition), bounds, {"x", "table"});
    EXPECT_THAT(Check(relations, one.good), IsOk()) << one.condition;
    EXPECT_THAT(Check(relations, one.bad), Fails(Reason::kInputMismatch, AllOf(HasSubstr("'x'"), HasSubstr("; got "))))
        << one.condition;
  }
}

TEST(DimRelations, ThatHoldElsewhereOrAreNotUnderstoodAreLeftToThePackage) {
  for (const std::string& source :
       {Assertion("s77 <= s1", "        "), Assertion("u0 <= s1"), Assertion("s77 <= s1 && s77 <= 3L"),
        Assertion("s77"), std::string("\n    if (!(s77 <= s1")}) {
    EXPECT_THAT(Check(DimRelations::Read(source, BoundsOf({"s77", "s1"}), {"x", "y"}), {9, 1}), IsOk()) << source;
  }
}

TEST(DimRelations, HoldForTheRowsThatAreRun) {
  const DimRelations relations = DimRelations::Read(Assertion("s77 >= 2L"), BoundsOf({"s77"}), {"x"});
  EXPECT_THAT(Check(relations, {1}), Fails(Reason::kInputMismatch));
  EXPECT_THAT(Check(relations, {1}, /*least_rows=*/2), IsOk());
}

TEST(DimRelations, TellWhatNobodyChecks) {
  const auto unchecked = [](const std::string& source, const std::vector<std::string>& symbols) {
    return DimRelations::Read(source, BoundsOf(symbols), {"x", "y"}).unchecked();
  };
  EXPECT_EQ(unchecked("", {"s77", "s1"}), "dimension 0 of 'x' and dimension 0 of 'y'");
  EXPECT_EQ(unchecked(Assertion("s77 <= s1"), {"s77", "s1"}), "");
  EXPECT_EQ(unchecked("", {"s77", "s77"}), "") << "they are equal";
  EXPECT_EQ(unchecked("", {"s77", "2L*s77"}), "") << "one is a multiple of the other";
  EXPECT_EQ(unchecked("", {"s77", ""}), "") << "only one varies";
}

std::string Symbol(const std::string& name) { return "Symbol('" + name + "', positive=True, integer=True)"; }

TEST(DimRelations, OfAProgramAreItsSymbols) {
  const auto relations =
      DimRelations::OfProgram(BoundsOf({Symbol("s1"), Symbol("s1"), "Mul(Integer(2), " + Symbol("s1") + ")",
                                        "Mul(Integer(3), " + Symbol("s5") + ")"}),
                              {"a", "b", "c", "d"}, {});
  EXPECT_THAT(relations.not_understood(), testing::IsEmpty());
  EXPECT_THAT(Check(relations, {2, 2, 4, 9}), IsOk());
  EXPECT_THAT(Check(relations, {2, 3, 4, 9}),
              Fails(Reason::kInputMismatch, HasSubstr("dimension 0 of 'b' == dimension 0 of 'a'; got 3 and 2")));
  EXPECT_THAT(Check(relations, {2, 2, 5, 9}),
              Fails(Reason::kInputMismatch, HasSubstr("dimension 0 of 'c' == 2 * dimension 0 of 'a'")));
  EXPECT_THAT(Check(relations, {2, 2, 4, 8}), Fails(Reason::kInputMismatch, HasSubstr("% 3 == 0")));
}

TEST(DimRelations, OfAProgramAreItsGuards) {
  const auto relations = DimRelations::OfProgram(
      BoundsOf({Symbol("s1"), Symbol("s2")}), {"a_0", "d_k_1_0"},
      {"L['a'][0].size()[0] <= L['d']['K-1'][0].size()[0]", "(L['flat_args'][1].size()[0] % 4) != 0",
       "L['a'][0].stride()[0] == 1", "L['nobody'].size()[0] == 1", "L['a'][0].size()[7] == 1", "L['a'][0", "True"});
  EXPECT_THAT(relations.not_understood(),
              testing::ElementsAre("L['a'][0].stride()[0] == 1", "L['nobody'].size()[0] == 1",
                                   "L['a'][0].size()[7] == 1", "L['a'][0", "True"));
  EXPECT_THAT(Check(relations, {3, 5}), IsOk());
  EXPECT_THAT(
      Check(relations, {6, 5}),
      Fails(Reason::kInputMismatch, HasSubstr("dimension 0 of 'a_0' <= dimension 0 of 'd_k_1_0'; got 6 and 5")));
  EXPECT_THAT(Check(relations, {3, 8}), Fails(Reason::kInputMismatch, HasSubstr("% 4 != 0; got 0 and 0")));
}

}  // namespace
}  // namespace tensorferry::inference
