#include "rpc/oip/classification.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_info.h"
#include "testing/arrays.h"
#include "testing/raw_strings.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Texts TextsOf(const inference::TensorResult& result) {
  return tensorferry::TextsOf(AsText(result.elements->bytes)).value();
}

struct Asked {
  std::uint64_t classes = 1;
  bool batched = false;
  std::vector<std::string> labels{};
};

template <typename Element>
absl::StatusOr<inference::TensorResult> ClassifyValues(const std::string& dtype, const std::vector<Element>& values,
                                                       Shape shape, const Asked& asked) {
  const inference::TensorResult output{
      .metadata = {.name = "y", .dtype = dtype, .shape = std::move(shape)},
      .elements = inference::TensorElements{.bytes = std::as_bytes(std::span(values))}};
  return Classify(output, asked.classes, asked.batched, asked.labels);
}

Texts ClassifyFloats(const std::vector<float>& values, const Asked& asked) {
  return TextsOf(ClassifyValues("float32", values, {std::ssize(values)}, asked).value());
}

TEST(Classify, GivesTheLargestFirst) {
  EXPECT_THAT(ClassifyFloats({0.5, -1, 2.25, 0}, {.classes = 3}),
              ElementsAre("2.250000:2", "0.500000:0", "0.000000:3"));
}

TEST(Classify, SaysWhatItBecame) {
  const auto result = ClassifyValues<float>("float32", {1, 2, 3}, {3}, {.classes = 2});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->metadata.name, "y");
  EXPECT_EQ(result->metadata.dtype, inference::kStrings);
  EXPECT_THAT(result->metadata.shape, ElementsAre(2));
}

TEST(Classify, PrefersTheFirstOfEquals) {
  EXPECT_THAT(ClassifyFloats({7, 1, 7, 7}, {.classes = 3}), ElementsAre("7.000000:0", "7.000000:2", "7.000000:3"));
  EXPECT_THAT(ClassifyFloats({-0.F, 0.F}, {.classes = 2}), ElementsAre("-0.000000:0", "0.000000:1"));
}

TEST(Classify, PutsWhatIsNoNumberLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_THAT(ClassifyFloats({nan, 1, -inf, std::copysign(nan, -1.F), inf}, {.classes = 3}),
              ElementsAre("inf:4", "1.000000:1", "-inf:2"));
  EXPECT_THAT(ClassifyFloats({nan, nan, 1}, {.classes = 9}), ElementsAre("1.000000:2", "nan:0", "nan:1"));
}

TEST(Classify, NamesClassesThatHaveALabel) {
  EXPECT_THAT(ClassifyFloats({1, 2, 3}, {.classes = 3, .labels = {"cat", "a:b"}}),
              ElementsAre("3.000000:2", "2.000000:1:a:b", "1.000000:0:cat"));
}

TEST(Classify, WritesFloatsAsPrintfDoes) {
  std::vector<double> values = {1e300, 1.0 / 3, -1e-300, 123456789.1234565, 5e-7, -2.5};
  std::ranges::sort(values, std::greater());
  const auto result = ClassifyValues("float64", values, {std::ssize(values)}, {.classes = 9});
  ASSERT_THAT(result, IsOk());
  const Texts texts = TextsOf(*result);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::array<char, 400> expected;
    std::snprintf(expected.data(), expected.size(), "%f:%zu", values[i], i);
    EXPECT_EQ(texts[i], expected.data());
  }
}

TEST(Classify, RefusesMoreThanAnAnswerHolds) {
  const std::vector<std::uint8_t> values(1 << 17);
  EXPECT_THAT(ClassifyValues("uint8", values, {1 << 17}, {.classes = 1 << 16}), IsOk());
  EXPECT_THAT(ClassifyValues("uint8", values, {1 << 17}, {.classes = 1 << 17}),
              Fails(Reason::kTensorTooLarge, HasSubstr("1 rows with 131072 classes each; at most 65536 classes")));
  EXPECT_THAT(ClassifyValues("uint8", values, {1 << 14, 8}, {.classes = 5, .batched = true}),
              Fails(Reason::kTensorTooLarge, HasSubstr("16384 rows with 5 classes each")));
}

// Rows of more elements than are looked at together, in each order.
TEST(Classify, FindsTheLargestOfMany) {
  constexpr std::size_t kMany = 30'000;
  std::vector<std::int32_t> rising(kMany);
  std::iota(rising.begin(), rising.end(), -100);
  std::vector<std::int32_t> falling(rising.rbegin(), rising.rend());
  std::vector<std::int32_t> mixed(kMany);
  for (std::size_t i = 0; i < kMany; ++i) mixed[i] = static_cast<std::int32_t>(i * 7919 % 1009);  // Many are equal.
  for (const auto& values : {rising, falling, mixed, std::vector<std::int32_t>(kMany, 7)}) {
    std::vector<std::size_t> order(kMany);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(), [&](std::size_t index) { return values[index]; });
    for (const std::size_t classes : {1U, 100U, 4096U, 5000U, 29'999U, 30'000U}) {
      const auto result = ClassifyValues("int32", values, {kMany}, {.classes = classes});
      ASSERT_THAT(result, IsOk());
      Texts expected;
      for (const std::size_t index : std::span(order).first(classes)) {
        expected.push_back(std::to_string(values[index]) + ":" + std::to_string(index));
      }
      EXPECT_EQ(TextsOf(*result), expected) << classes << " of " << values[0] << ", " << values[1] << ", ...";
    }
  }
}

TEST(Classify, TakesNoMoreThanThereAre) {
  for (const std::uint64_t classes : {std::uint64_t{2}, std::uint64_t{3}, ~std::uint64_t{0}}) {
    EXPECT_THAT(ClassifyFloats({1, 2}, {.classes = classes}), ElementsAre("2.000000:1", "1.000000:0"));
  }
}

// The rows of a batch are classified one by one, whatever dimensions they have.
TEST(Classify, GoesRowByRow) {
  const std::vector<std::int32_t> values{1, 2, 3, 4, 40, 30, 20, 10};
  const auto rows = ClassifyValues("int32", values, {2, 2, 2}, {.classes = 2, .batched = true});
  ASSERT_THAT(rows, IsOk());
  EXPECT_THAT(rows->metadata.shape, ElementsAre(2, 2));
  EXPECT_THAT(TextsOf(*rows), ElementsAre("4:3", "3:2", "40:0", "30:1"));
  const auto flat = ClassifyValues("int32", values, {2, 2, 2}, {.classes = 2});
  ASSERT_THAT(flat, IsOk());
  EXPECT_THAT(flat->metadata.shape, ElementsAre(2));
  EXPECT_THAT(TextsOf(*flat), ElementsAre("40:4", "30:5"));
}

TEST(Classify, TakesScalarsAndNothing) {
  const auto scalar = ClassifyValues<std::int64_t>("int64", {5}, {}, {.classes = 2, .batched = true});
  ASSERT_THAT(scalar, IsOk());
  EXPECT_THAT(scalar->metadata.shape, ElementsAre(1));
  EXPECT_THAT(TextsOf(*scalar), ElementsAre("5:0"));
  for (const Shape& shape : {Shape{0, 3}, Shape{2, 0}, Shape{0}}) {
    const auto nothing = ClassifyValues<std::int64_t>("int64", {}, shape, {.classes = 2, .batched = true});
    ASSERT_THAT(nothing, IsOk());
    EXPECT_THAT(nothing->metadata.shape, ElementsAre(shape[0], 0));
    EXPECT_THAT(TextsOf(*nothing), IsEmpty());
  }
}

template <typename Element>
Texts ClassifyExtremes(const std::string& dtype) {
  const std::vector<Element> values{0, std::numeric_limits<Element>::max(), std::numeric_limits<Element>::min()};
  return TextsOf(ClassifyValues(dtype, values, {3}, {.classes = 3}).value());
}

TEST(Classify, WritesIntegersAsNumbers) {
  EXPECT_THAT(ClassifyExtremes<std::int8_t>("int8"), ElementsAre("127:1", "0:0", "-128:2"));
  EXPECT_THAT(ClassifyExtremes<std::int16_t>("int16"), ElementsAre("32767:1", "0:0", "-32768:2"));
  EXPECT_THAT(ClassifyExtremes<std::int64_t>("int64"),
              ElementsAre("9223372036854775807:1", "0:0", "-9223372036854775808:2"));
  EXPECT_THAT(ClassifyExtremes<std::uint8_t>("uint8"), ElementsAre("255:1", "0:0", "0:2"));
  EXPECT_THAT(ClassifyExtremes<std::uint16_t>("uint16"), ElementsAre("65535:1", "0:0", "0:2"));
  EXPECT_THAT(ClassifyExtremes<std::uint32_t>("uint32"), ElementsAre("4294967295:1", "0:0", "0:2"));
  EXPECT_THAT(ClassifyExtremes<std::uint64_t>("uint64"), ElementsAre("18446744073709551615:1", "0:0", "0:2"));
  EXPECT_THAT(TextsOf(ClassifyValues<double>("float64", {0.1, -2}, {2}, {.classes = 2}).value()),
              ElementsAre("0.100000:0", "-2.000000:1"));
}

TEST(Classify, RefusesWhatHasNoOrderOrNoText) {
  const std::vector<char> zeros(16);
  for (const auto& [dtype, name] :
       {std::pair("bool", "BOOL"), std::pair("float16", "FP16"), std::pair("bfloat16", "BF16"),
        std::pair("complex64", "COMPLEX64"), std::pair("string", "BYTES")}) {
    EXPECT_THAT(ClassifyValues(dtype, zeros, {1}, {}),
                Fails(Reason::kInputMismatch, HasSubstr(std::string("not ") + name)));
  }
}

}  // namespace
}  // namespace tensorferry::rpc
