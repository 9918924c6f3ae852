#include "inference/engine/tensor_names.h"

#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <vector>

#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using ConfiguredTensors = std::vector<ConfiguredTensor>;

ConfiguredTensors Configured(const std::vector<std::string>& names) {
  ConfiguredTensors configured;
  for (const std::string& name : names) configured.push_back({.name = name});
  return configured;
}

OwnTensors Own(const std::vector<std::string>& names) {
  std::vector<TensorSpec> specs;
  for (const std::string& name : names) specs.push_back({.name = name});
  return OwnTensorsOf("input", specs);
}

using Indices = std::vector<std::size_t>;

struct PlacesCase {
  std::string name;
  std::vector<std::string> configured, own;
  Indices indices;
  std::string warning;  // The whole text.
  friend void PrintTo(const PlacesCase& c, std::ostream* out) { *out << c.name; }
};
class Places : public testing::TestWithParam<PlacesCase> {};

TEST_P(Places, OfConfiguredTensors) {
  const auto naming = FindOwnTensors(Configured(GetParam().configured), Own(GetParam().own));
  ASSERT_THAT(naming, IsOk());
  EXPECT_EQ(naming->indices, GetParam().indices);
  EXPECT_EQ(naming->warning, GetParam().warning);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, Places,
    testing::ValuesIn(std::vector<PlacesCase>{
        {"OwnNames", {"b", "a"}, {"a", "b"}, {1, 0}, ""},
        {"Numbers", {"INPUT__1", "INPUT__0"}, {"a", "b"}, {1, 0}, ""},
        {"NamesAndNumbers", {"b", "any__0"}, {"a", "b"}, {1, 0}, ""},
        {"Order", {"left", "right"}, {"a", "b"}, {0, 1}, ""},
        {"MisspeltInItsPlace", {"a", "right"}, {"a", "b"}, {0, 1}, ""},
        {"Misspelt",
         {"b", "right"},
         {"a", "b"},
         {0, 1},
         "input 'right' is none of the model's own, ['a', 'b'], and does not end in __ and a place; so all inputs are "
         "taken in the model's order, and 'b' is taken for 'a'"},
        {"NumberAgainstTheOrder",
         {"x", "INPUT__0"},
         {"a", "b"},
         {0, 1},
         "input 'x' is none of the model's own, ['a', 'b'], and does not end in __ and a place; so all inputs are "
         "taken in the model's order, and 'INPUT__0' is taken for 'b'"},
        {"Fewer", {"b"}, {"a", "b"}, {1}, ""},
        {"NoNumber", {"INPUT__x"}, {"a"}, {0}, ""},
        {"None", {}, {"a"}, {}, ""},
    }),
    [](const auto& test) { return test.param.name; });

struct MisfitCase {
  std::string name;
  std::vector<std::string> configured, own;
  std::string why;  // The whole text.
  friend void PrintTo(const MisfitCase& c, std::ostream* out) { *out << c.name; }
};
class Misfits : public testing::TestWithParam<MisfitCase> {};

TEST_P(Misfits, AreRefusedByTheirNames) {
  EXPECT_THAT(FindOwnTensors(Configured(GetParam().configured), Own(GetParam().own)),
              Fails(Reason::kModelNotReady, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, Misfits,
    testing::ValuesIn(std::vector<MisfitCase>{
        {"NumberBeyond",
         {"INPUT__2"},
         {"a", "b"},
         "config.pbtxt: input 'INPUT__2' names a place where the model has no input; its inputs are ['a', 'b']"},
        {"More",
         {"x", "y", "z"},
         {"a", "b"},
         "config.pbtxt has 3 inputs, but the model 2; their names must be the model's own, or end in __ and the place, "
         "or stand in the model's order"},
        {"NameAndNumber",
         {"a", "INPUT__0"},
         {"a", "b"},
         "config.pbtxt: inputs 'a' and 'INPUT__0' both mean the model's input 'a'"},
        {"TwoNumbers",
         {"INPUT__0", "OTHER__0"},
         {"a", "b"},
         "config.pbtxt: inputs 'INPUT__0' and 'OTHER__0' both mean the model's input 'a'"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(FindOwnTensors, TakesAnyPlaceWhereMoreTensorsMayFollow) {
  OwnTensors own = Own({});
  own.open_ended = true;
  const auto numbered = FindOwnTensors(Configured({"x__7", "y__0"}), own);
  ASSERT_THAT(numbered, IsOk());
  EXPECT_EQ(numbered->indices, (Indices{7, 0}));
  const auto ordered = FindOwnTensors(Configured({"x", "y"}), own);
  ASSERT_THAT(ordered, IsOk());
  EXPECT_EQ(ordered->indices, (Indices{0, 1}));
  EXPECT_THAT(
      FindOwnTensors(Configured({"x__7", "y__7"}), own),
      Fails(Reason::kModelNotReady, "config.pbtxt: inputs 'x__7' and 'y__7' both mean the model's input number 7"));
}

TEST(FindOwnTensors, RefusesNamesThatAreUnclearBesideOthersWhereItIsStrict) {
  OwnTensors own = Own({"a", "b"});
  own.strict = true;
  EXPECT_THAT(FindOwnTensors(Configured({"x", "y"}), own), IsOk());
  EXPECT_THAT(FindOwnTensors(Configured({"a", "y"}), own),
              Fails(Reason::kModelNotReady,
                    "config.pbtxt: input 'y' is none of the model's own, ['a', 'b'], and does "
                    "not end in __ and a place"));
}

TEST(SpecOf, PutsTheBatchFirst) {
  const ConfiguredTensor tensor{.name = "x", .dtype = DType::kBFloat16, .dims = {3, -1}, .optional = true};
  const TensorSpec alone = SpecOf(tensor, /*batched=*/false);
  EXPECT_EQ(alone.dtype, "bfloat16");
  EXPECT_THAT(alone.shape, testing::ElementsAre(3, -1));
  EXPECT_TRUE(alone.optional);
  EXPECT_THAT(SpecOf(tensor, /*batched=*/true).shape, testing::ElementsAre(-1, 3, -1));
  EXPECT_EQ(SpecOf({.name = "any"}, false).dtype, "");
}

}  // namespace
}  // namespace tensorferry::inference
