#include "web/caller_fields.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace tensorferry::web {
namespace {

using std::chrono::nanoseconds;

TEST(GrpcTimeout, HasAUnit) {
  EXPECT_EQ(ParseGrpcTimeout("2H"), std::chrono::hours(2));
  EXPECT_EQ(ParseGrpcTimeout("2M"), std::chrono::minutes(2));
  EXPECT_EQ(ParseGrpcTimeout("2S"), std::chrono::seconds(2));
  EXPECT_EQ(ParseGrpcTimeout("99999999m"), std::chrono::milliseconds(99'999'999));
  EXPECT_EQ(ParseGrpcTimeout("0u"), nanoseconds(0));
  EXPECT_EQ(ParseGrpcTimeout("2n"), nanoseconds(2));
}

TEST(GrpcTimeout, IsNothingElse) {
  for (const std::string text : {"", "S", "1", "1s", "-1S", "1.5S", "100000000S", "1S ", " 1S", "0x1S"}) {
    EXPECT_EQ(ParseGrpcTimeout(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tensorferry::web
