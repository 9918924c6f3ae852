#include "payload/element_copy.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "testing/arrays.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

// CopyInPieces hands the source over in pieces of random sizes, from odd addresses.
absl::Status CopyInPieces(std::span<const std::byte> source, unsigned seed, ElementCopier& copier) {
  std::mt19937 random(seed);
  while (!source.empty()) {
    const std::size_t size = std::min<std::size_t>(source.size(), random() % 3 == 0 ? random() % 50'000 : random() % 7);
    std::vector<std::byte> odd(size + 1);
    std::ranges::copy(source.first(size), odd.begin() + 1);
    TENSORFERRY_RETURN_IF_ERROR(copier.Append(std::span(odd).subspan(1)));
    source = source.subspan(size);
  }
  return absl::OkStatus();
}

std::vector<std::byte> ReversedInWords(std::vector<std::byte> bytes, std::size_t width) {
  for (auto word = bytes.begin(); word != bytes.end(); word += static_cast<std::ptrdiff_t>(width)) {
    std::reverse(word, word + static_cast<std::ptrdiff_t>(width));
  }
  return bytes;
}

TEST(ElementCopier, GivesTheSameElementsHoweverTheyCome) {
  for (const DTypeInfo& row : kDTypes) {
    if (row.dtype == DType::kBool) continue;
    for (const char order : {'<', '>'}) {
      if (order == '>' && row.descr.empty()) continue;
      const std::string dtype = order == '>' ? '>' + std::string(row.descr.substr(1)) : std::string(row.name);
      const ArrayHeader header = GoodHeader(dtype, {10'007});
      const auto source = RandomBytes(header.nbytes());
      const auto expected = header.byte_swapped() ? ReversedInWords(source, row.swap_width) : source;
      for (unsigned seed = 0; seed < 3; ++seed) {
        std::vector<std::byte> destination(header.nbytes());
        DigestStream digest;
        ElementCopier copier(header, Fidelity::kConvert, destination.data(), &digest);
        ASSERT_THAT(CopyInPieces(source, seed, copier), IsOk());
        EXPECT_EQ(copier.missing(), 0u);
        EXPECT_EQ(destination, expected) << dtype;
        DigestStream at_once;
        at_once.Update(expected);
        EXPECT_EQ(digest.Finish(), at_once.Finish()) << dtype;
      }
    }
  }
}

TEST(ElementCopier, NormalisesBoolsAndSaysSo) {
  const ArrayHeader header = GoodHeader("bool", {40'000});
  std::vector<std::byte> source(header.nbytes(), std::byte{1});
  std::vector<std::byte> destination(header.nbytes());
  ElementCopier clean(header, Fidelity::kConvert, destination.data(), nullptr);
  ASSERT_THAT(CopyInPieces(source, 1, clean), IsOk());
  EXPECT_FALSE(clean.normalized_bools());

  source[39'999] = std::byte{255};
  source[7] = std::byte{2};
  source[8] = std::byte{0};
  ElementCopier dirty(header, Fidelity::kConvert, destination.data(), nullptr);
  ASSERT_THAT(CopyInPieces(source, 2, dirty), IsOk());
  EXPECT_TRUE(dirty.normalized_bools());
  EXPECT_EQ(std::ranges::count(destination, std::byte{1}), 39'999);
  EXPECT_EQ(destination[8], std::byte{0});
}

TEST(ElementCopier, RefusesOtherBoolsWhenStrict) {
  const ArrayHeader header = GoodHeader("bool", {4});
  std::vector<std::byte> destination(4);
  ElementCopier copier(header, Fidelity::kStrict, destination.data(), nullptr);
  const std::vector<std::byte> source = {std::byte{1}, std::byte{0}, std::byte{2}, std::byte{1}};
  EXPECT_THAT(copier.Append(source), Fails(Reason::kBoolRange, testing::HasSubstr("element 2")));
}

}  // namespace
}  // namespace tensorferry
