#include "rpc/native/to_proto.h"

#include <gmock/gmock.h>

#include <string>

#include "base/status.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ToProtoError, SaysWhatAStatusWouldSay) {
  const v1::Error error = ToProtoError(InArray(
      "x", MakeError(Reason::kMemoryBudget, "full", {.actual = "23", .retry_after = std::chrono::milliseconds(1500)})));
  EXPECT_EQ(error.code(), 8);
  EXPECT_EQ(error.reason(), "MEMORY_BUDGET");
  EXPECT_EQ(error.message(), "array 'x': full");
  EXPECT_EQ(error.metadata().at("array"), "x");
  EXPECT_EQ(error.metadata().at("actual"), "23");
  EXPECT_EQ(error.retry_after_ms(), 1500);
}

TEST(ToProtoError, HasTheNameOfEveryReason) {
  for (const ReasonInfo& row : kReasons) {
    const v1::Error error = ToProtoError(MakeError(row.reason, "x"));
    EXPECT_EQ(error.reason(), row.name);
    EXPECT_EQ(error.code(), static_cast<int>(row.code));
  }
}

TEST(ToProtoError, IsShortAndPrintableWhateverItHolds) {
  const std::string huge(100'000, '\n');
  const v1::Error error = ToProtoError(MakeError(Reason::kInputMismatch, huge, {.field = huge, .expected = huge}));
  EXPECT_LT(error.ByteSizeLong(), 2 * 1024u);
  EXPECT_THAT(error.message(), Not(HasSubstr("\n")));
}

TEST(ToProtoError, KeepsALibrarysWordsToTheLog) {
  const absl::Status error = MakeError(Reason::kModelFailed, "the model failed", {.log_text = "/srv/secret"});
  EXPECT_THAT(ToProtoError(error).DebugString(), Not(HasSubstr("/srv")));
}

}  // namespace
}  // namespace tensorferry::rpc
