#include "rpc/serve/log_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tensorferry::rpc {
namespace {

using testing::Optional;

TEST(LogLimit, AdmitsSoManyInAnInterval) {
  LogLimit limit;
  const LogLimit::Time begin{std::chrono::hours(1)};
  for (int i = 0; i < LogLimit::kMostInAnInterval; ++i) EXPECT_THAT(limit.Admit(begin), Optional(0));
  EXPECT_FALSE(limit.Admit(begin).has_value());
  EXPECT_FALSE(limit.Admit(begin + LogLimit::kInterval - std::chrono::nanoseconds(1)).has_value());
}

TEST(LogLimit, TellsHowManyWereNotAdmitted) {
  LogLimit limit;
  const LogLimit::Time begin{std::chrono::hours(1)};
  for (int i = 0; i < LogLimit::kMostInAnInterval + 7; ++i) limit.Admit(begin);
  EXPECT_THAT(limit.Admit(begin + LogLimit::kInterval), Optional(7));
  EXPECT_THAT(limit.Admit(begin + LogLimit::kInterval), Optional(0));
}

}  // namespace
}  // namespace tensorferry::rpc
