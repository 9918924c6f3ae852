#include "rpc/wire/message_guard.h"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace tensorferry::rpc
