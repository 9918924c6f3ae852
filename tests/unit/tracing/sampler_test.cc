#include "tracing/sampler.h"

#include <gtest/gtest.h>

namespace tensorferry::tracing {
namespace {

TraceParent Parent(bool sampled) { return {.trace_id = {1}, .span_id = {1}, .sampled = sampled}; }

TEST(Sampler, FollowsTheParentIfItIsBasedOnIt) {
  const TraceId id{1};
  EXPECT_FALSE((Sampler{.parent_based = true, .ratio = 1}.Samples(id, Parent(false))));
  EXPECT_TRUE((Sampler{.parent_based = true, .ratio = 0}.Samples(id, Parent(true))));
  EXPECT_TRUE((Sampler{.parent_based = false, .ratio = 1}.Samples(id, Parent(false))));
  EXPECT_FALSE((Sampler{.parent_based = false, .ratio = 0}.Samples(id, Parent(true))));
}

TEST(Sampler, DecidesByTheSecondHalfOfTheTracesId) {
  const Sampler half{.parent_based = true, .ratio = 0.5};
  TraceId id{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  id[8] = 0x7F;
  EXPECT_TRUE(half.Samples(id, std::nullopt));
  id[8] = 0x80;
  EXPECT_FALSE(half.Samples(id, std::nullopt));
}

TEST(Sampler, TakesItsPartOfRandomTraces) {
  const Sampler tenth{.parent_based = true, .ratio = 0.1};
  int sampled = 0;
  constexpr int kTraces = 10'000;
  for (int i = 0; i < kTraces; ++i)
    sampled += tenth.Samples(MakeCallTrace(std::nullopt).trace_id, std::nullopt) ? 1 : 0;
  EXPECT_GT(sampled, 800);  // Six times the standard deviation, 30, from 1,000.
  EXPECT_LT(sampled, 1200);
}

}  // namespace
}  // namespace tensorferry::tracing
