#include "rpc/wire/message_guard.h"

#include <gmock/gmock.h>
#include <google/protobuf/unknown_field_set.h>

#include <array>
#include <string>

#include "testing/status_matchers.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

using Holds = FieldLayout::Holds;
using testing::HasSubstr;

// kLayout belongs to no protocol: field 2 holds elements, 3 varints, 4 a message with elements in its field 1.
constexpr std::array kInnerFields = {FieldLayout{1, Holds::kElements}};
constexpr MessageLayout kInner{kInnerFields};
constexpr std::array kFields = {FieldLayout{2, Holds::kElements}, FieldLayout{3, Holds::kVarints},
                                FieldLayout{4, Holds::kMessage, &kInner}};
constexpr MessageLayout kLayout{kFields};

absl::Status Check(const std::string& message) {
  const Bytes piece = std::as_bytes(std::span(message));
  return CheckMetadataSize({&piece, 1}, kLayout);
}

const std::string kMuch(kMaxMetadataBytes + 1, '\1');

TEST(CheckMetadataSize, TakesAnythingUpToItsBound) {
  EXPECT_THAT(Check(std::string(kMaxMetadataBytes, '\xff')), IsOk());
  EXPECT_THAT(Check(kMuch), Fails(Reason::kTensorTooLarge));
}

TEST(CheckMetadataSize, CountsElementsWhereTheLayoutHasThem) {
  for (const std::string& elements : {BytesField(2, kMuch), BytesField(3, kMuch), BytesField(4, BytesField(1, kMuch)),
                                      BytesField(9, "?") + VarintField(9, 1) + BytesField(2, kMuch)}) {
    EXPECT_THAT(Check(elements), IsOk());
  }
  for (const std::string& metadata :
       {BytesField(1, kMuch), BytesField(4, BytesField(2, kMuch)), BytesField(4, kMuch), BytesField(18, kMuch)}) {
    EXPECT_THAT(Check(metadata), Fails(Reason::kTensorTooLarge, HasSubstr("bytes of the message are not elements")));
  }
}

TEST(CheckMetadataSize, BoundsVarintsOfAllFieldsTogether) {
  const std::string most = BytesField(3, std::string(kMaxVarintBytes, '\1'));
  EXPECT_THAT(Check(most), IsOk());
  EXPECT_THAT(Check(most + BytesField(3, "\1")), Fails(Reason::kTensorTooLarge, HasSubstr("are integers")));
}

TEST(CheckMetadataSize, CountsElementsThatStandByThemselves) {
  std::string elements;
  while (elements.size() <= kMaxMetadataBytes) elements += BytesField(2, "?") + VarintField(2, 1) + VarintField(3, 300);
  EXPECT_THAT(Check(elements), IsOk());
}

// kBounded allows field 1 twice, and field 3 of the messages in field 2 three times in all.
constexpr std::array kBoundedInnerFields = {FieldLayout{3, Holds::kMetadata, nullptr, 3, "inner.names"}};
constexpr MessageLayout kBoundedInner{kBoundedInnerFields};
constexpr std::array kBoundedFields = {FieldLayout{1, Holds::kElements, nullptr, 2, "arrays"},
                                       FieldLayout{2, Holds::kMessage, &kBoundedInner}};
constexpr MessageLayout kBounded{kBoundedFields};

absl::Status CheckCounts(const std::string& message) {
  const Bytes piece = std::as_bytes(std::span(message));
  return CheckFieldCounts({&piece, 1}, kBounded).status();
}

TEST(CheckFieldCounts, RefusesMoreOfAFieldThanAreTaken) {
  const std::string array = BytesField(1, "");
  EXPECT_THAT(CheckCounts(array + array), IsOk());
  EXPECT_THAT(CheckCounts(array + VarintField(7, 1) + array + array),
              Fails(Reason::kTensorTooLarge, "the request has 3 arrays, at most 2 are taken"));
}

TEST(CheckFieldCounts, CountsOverAllPartsOfTheMessage) {
  const std::string name = BytesField(3, "a");
  EXPECT_THAT(CheckCounts(BytesField(2, name + name) + BytesField(2, name)), IsOk());
  EXPECT_THAT(CheckCounts(BytesField(2, name + name) + BytesField(2, name + name)),
              Fails(Reason::kTensorTooLarge, HasSubstr("4 inner.names")));
}

// kNumbers has numbers in field 1, and varints of eight bytes in field 2.
constexpr std::array kNumbersFields = {NumbersLayout(1, Holds::kElements, 4), NumbersLayout(2, Holds::kVarints, 8)};
constexpr MessageLayout kNumbers{kNumbersFields};

TEST(CheckFieldCounts, SaysHowMuchIsNeededToParse) {
  const auto room = [](const std::string& message) {
    const std::array pieces = {std::as_bytes(std::span(message)).first(message.size() / 2),
                               std::as_bytes(std::span(message)).subspan(message.size() / 2)};
    return CheckFieldCounts(pieces, kNumbers).value_or(RoomToParse()).elements;
  };
  EXPECT_EQ(room(VarintField(9, 1)), 0u);
  EXPECT_EQ(room(BytesField(2, std::string(1000, '\1'))), 4 * 8 * 1000u) << "of a byte each";
  EXPECT_EQ(room(BytesField(2, LongVarint(7, 10) + LongVarint(7, 10))), 4 * 8 * 2u) << "of ten bytes each";
  EXPECT_EQ(room(VarintField(2, 300) + VarintField(2, 300)), 4 * 8 * 2u) << "each by itself";
  EXPECT_GE(room(BytesField(1, std::string(4000, 'x'))), 4 * 4000u);
}

TEST(CheckFieldCounts, SaysHowMuchUnknownFieldsTake) {
  std::string groups;
  for (int i = 0; i < 1000; ++i) groups += Tag(9, 3) + Tag(9, 4);
  const std::string message = BytesField(1, std::string(4000, 'x')) + groups;
  const Bytes piece = std::as_bytes(std::span(message));
  const auto room = CheckFieldCounts({&piece, 1}, kNumbers);
  ASSERT_THAT(room, IsOk());
  google::protobuf::UnknownFieldSet parsed;
  ASSERT_TRUE(parsed.ParseFromArray(groups.data(), static_cast<int>(groups.size())));
  EXPECT_GE(room->metadata, parsed.SpaceUsedLong());
  EXPECT_LE(room->metadata, 40 * groups.size());
}

TEST(CheckFieldCounts, LeavesWhatDoesNotParseToTheParser) {
  EXPECT_THAT(CheckCounts(BytesField(1, "") + "\xff"), IsOk());
  EXPECT_THAT(CheckCounts(BytesField(2, "\xff")), IsOk());
}

}  // namespace
}  // namespace tensorferry::rpc
