#include "payload/shape.h"

#include <gmock/gmock.h>

#include <vector>

#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Dims = std::vector<std::int64_t>;

TEST(ByteSize, MultipliesItemsAndDimensions) {
  EXPECT_EQ(*ByteSize(Dims{}, 8), 8u) << "a scalar is one element";
  EXPECT_EQ(*ByteSize(Dims{2, 3}, 4), 24u);
  EXPECT_EQ(*ByteSize(Dims{3, 0, 5}, 8), 0u);
  EXPECT_EQ(*ByteSize(Dims{0, std::int64_t{1} << 62}, 16), 0u) << "no elements, however large the other dimension";
  EXPECT_EQ(*ByteSize(Dims(64, 1), 2), 2u);
  EXPECT_EQ(*ByteSize(Dims{(std::int64_t{1} << 59) - 1}, 16), (std::size_t{1} << 63) - 16);
}

TEST(ByteSize, RefusesWhatCannotBeAddressed) {
  EXPECT_THAT(ByteSize(Dims{2, -1}, 4), Fails(Reason::kBadShape, HasSubstr("[2, -1]")));
  EXPECT_THAT(ByteSize(Dims{0, -1}, 4), Fails(Reason::kBadShape));
  EXPECT_THAT(ByteSize(Dims(65, 1), 4), Fails(Reason::kTooManyDims, HasSubstr("65")));
  EXPECT_THAT(ByteSize(Dims{std::int64_t{1} << 40, std::int64_t{1} << 40}, 8), Fails(Reason::kSizeOverflow));
  EXPECT_THAT(ByteSize(Dims{std::int64_t{1} << 60}, 8), Fails(Reason::kSizeOverflow));
  EXPECT_THAT(ByteSize(Dims{0, std::int64_t{1} << 40, std::int64_t{1} << 40}, 1), Fails(Reason::kSizeOverflow))
      << "its strides would not fit";
}

TEST(ContiguousStrides, AreThoseOfNumPyInElements) {
  EXPECT_THAT(ContiguousStrides(Dims{}, false), ElementsAre());
  EXPECT_THAT(ContiguousStrides(Dims{2, 3, 4}, false), ElementsAre(12, 4, 1));
  EXPECT_THAT(ContiguousStrides(Dims{2, 3, 4}, true), ElementsAre(1, 2, 6));
  EXPECT_THAT(ContiguousStrides(Dims{0, 2}, false), ElementsAre(2, 1));
  EXPECT_THAT(ContiguousStrides(Dims{3, 0, 5}, false), ElementsAre(5, 5, 1));
  EXPECT_THAT(ContiguousStrides(Dims{3, 0, 5}, true), ElementsAre(1, 3, 3));
}

}  // namespace
}  // namespace tensorferry
