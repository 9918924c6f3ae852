#include "inference/engine/tensor_names.h"

#include <gmock/gmock.h>

#include <ostream>

namespace tensorferry::inference {
namespace {

struct PlacesCase {
  std::string name;
  std::vector<std::string> configured, own;
  std::optional<std::vector<std::size_t>> places;
  friend void PrintTo(const PlacesCase& c, std::ostream* out) { *out << c.name; }
};
class Places : public testing::TestWithParam<PlacesCase> {};

TEST_P(Places, OfConfiguredTensors) {
  std::vector<ConfiguredTensor> configured;
  for (const std::string& name : GetParam().configured) configured.push_back({.name = name});
  EXPECT_EQ(PlacesOf(configured, GetParam().own), GetParam().places);
}

INSTANTIATE_TEST_SUITE_P(Rules, Places,
                         testing::ValuesIn(std::vector<PlacesCase>{
                             {"OwnNames", {"b", "a"}, {"a", "b"}, {{1, 0}}},
                             {"Numbers", {"INPUT__1", "INPUT__0"}, {"a", "b"}, {{1, 0}}},
                             {"NamesAndNumbers", {"b", "any__0"}, {"a", "b"}, {{1, 0}}},
                             {"Order", {"left", "right"}, {"a", "b"}, {{0, 1}}},
                             {"OneWithoutAnyName", {"b", "right"}, {"a", "b"}, {{0, 1}}},
                             {"Fewer", {"b"}, {"a", "b"}, {{1}}},
                             {"NoNumber", {"INPUT__x"}, {"a"}, {{0}}},
                             {"NumberBeyond", {"INPUT__2"}, {"a", "b"}, std::nullopt},
                             {"More", {"x", "y", "z"}, {"a", "b"}, std::nullopt},
                             {"Twice", {"a", "INPUT__0"}, {"a", "b"}, std::nullopt},
                             {"None", {}, {"a"}, {std::vector<std::size_t>{}}},
                         }),
                         [](const auto& test) { return test.param.name; });

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
