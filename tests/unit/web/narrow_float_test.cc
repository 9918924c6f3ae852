// The cases at which rounding turns. Every bit pattern is compared with NumPy and ml_dtypes by tests/integration.
#include "web/narrow_float.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <ostream>
#include <string>

namespace tensorferry::web {
namespace {

struct Rounding {
  std::string name;
  DType dtype;
  std::string digits;
  std::optional<std::uint16_t> bits;  // Nothing: no element of the dtype is it.
  friend void PrintTo(const Rounding& rounding, std::ostream* out) { *out << rounding.name; }
};

class NarrowFloatRounds : public testing::TestWithParam<Rounding> {};

TEST_P(NarrowFloatRounds, OnceToTheNearest) {
  const auto& [name, dtype, digits, bits] = GetParam();
  EXPECT_EQ(BitsOf(*NarrowFloatOf(dtype), std::strtod(digits.c_str(), nullptr), digits), bits);
}

// 1.00048828125 lies between 1 and the next float16, and 1.00146484375 between that and the one after it. What follows
// the zeros is too little for a double.
constexpr DType kHalf = DType::kFloat16;
INSTANTIATE_TEST_SUITE_P(
    Cases, NarrowFloatRounds,
    testing::ValuesIn(std::vector<Rounding>{
        {"TieToEvenDown", kHalf, "1.00048828125", 0x3C00},
        {"TieToEvenUp", kHalf, "1.00146484375", 0x3C02},
        {"TieInOtherDigits", kHalf, "0.00000100146484375e6", 0x3C02},
        {"TieOfWholeNumbers", kHalf, "2049", 0x6800},
        {"MoreThanATie", kHalf, "1.0004882812500000000000000000000001", 0x3C01},
        {"MoreThanATieInOtherDigits", kHalf, "10004882812500000000000000000000001E-34", 0x3C01},
        {"LessThanATie", kHalf, "1.0014648437499999999999999999999999", 0x3C01},
        {"NegativeMoreThanATie", kHalf, "-1.0004882812500000000000000000000001", 0xBC01},
        {"Most", kHalf, "65519.99", 0x7BFF},
        {"TieToTooMuch", kHalf, "65520", std::nullopt},
        {"TooMuch", kHalf, "-1e300", std::nullopt},
        {"LeastSubnormal", kHalf, "5.9604644775390625e-8", 0x0001},
        {"TieToZero", kHalf, "2.98023223876953125e-8", 0x0000},
        {"MoreThanATieToZero", kHalf, "2.980232238769531250000000000000000001e-8", 0x0001},
        {"NegativeToZero", kHalf, "-1e-300", 0x8000},
        {"SubnormalToNormal", kHalf, "6.1020250e-5", 0x0400},
        {"BFloat16LeastTie", DType::kBFloat16,
         "4.591774807899560578002877098524397178979162331140966880893561352650067419745028018951416015625e-41", 0x0000},
        {"BFloat16MoreThanTheLeastTie", DType::kBFloat16,
         "4.5917748078995605780028770985243971789791623311409668808935613526500674197450280189514160156250001e-41",
         0x0001},
        {"NoInfinityTie", DType::kFloat8E4M3Fn, "464", 0x7E},
        {"NoInfinityTooMuch", DType::kFloat8E4M3Fn, "464.0000000000000000000000000000001", std::nullopt},
        {"NoNegativeZero", DType::kFloat8E4M3FnUz, "-0.0", 0x00},
        {"NoNegativeZeroOfAnUnderflow", DType::kFloat8E5M2FnUz, "-1e-30", 0x00},
        {"PowerOfTwoTie", DType::kFloat8E8M0FnU, "3", 0x81},
        {"PowerOfTwoLeast", DType::kFloat8E8M0FnU, "1e-300", 0x00},
        {"PowerOfTwoZero", DType::kFloat8E8M0FnU, "0.0", std::nullopt},
        {"PowerOfTwoNegative", DType::kFloat8E8M0FnU, "-1", std::nullopt},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::web
