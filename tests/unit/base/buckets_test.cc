#include "base/buckets.h"

#include <gtest/gtest.h>

#include <string>

namespace tensorferry {
namespace {

// The bucket of every value around every bound is the first whose bound is not less, as Prometheus defines it.
TEST(Buckets, HaveEachValueInTheFirstThatHoldsIt) {
  for (const Buckets& buckets :
       {Buckets{25'000, 1, 23}, Buckets{1'000, 2, 14}, Buckets{1'024, 2, 12}, Buckets{1, 1, 11}}) {
    for (std::size_t bucket = 0; bucket < buckets.count; ++bucket) {
      const std::uint64_t bound = buckets.BoundOf(bucket);
      for (const std::uint64_t value : {bound - 1, bound, bound + 1, bound + bound / 2}) {
        std::size_t expected = 0;
        while (expected < buckets.count && buckets.BoundOf(expected) < value) ++expected;
        EXPECT_EQ(buckets.IndexOf(value), expected) << value << " of " << buckets.unit;
      }
    }
    EXPECT_EQ(buckets.IndexOf(0), 0u);
    EXPECT_EQ(buckets.IndexOf(~std::uint64_t{0}), buckets.count);
  }
}

TEST(Buckets, OfSizesGoFrom1KiBTo4GiB) {
  const Buckets sizes{1 << 10, 2, 12};
  EXPECT_EQ(sizes.BoundOf(0), 1u << 10);
  EXPECT_EQ(sizes.BoundOf(1), 4u << 10);
  EXPECT_EQ(sizes.BoundOf(11), std::uint64_t{4} << 30);
}

}  // namespace
}  // namespace tensorferry
