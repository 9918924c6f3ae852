#include "rpc/oip/infer_error.h"

#include <gmock/gmock.h>

#include "base/status.h"
#include "google/rpc/status.pb.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string WordsOf(const absl::Status& error) {
  const grpc::Status end = InferEndOf("ModelInfer", error);
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(end.error_details()));
  EXPECT_EQ(details.message(), end.error_message()) << "clients refuse details that say otherwise";
  EXPECT_EQ(details.code(), end.error_code());
  return end.error_message();
}

TEST(InferError, SaysInputAndDatatypesAsTheProtocolDoes) {
  const absl::Status error = MakeError(Reason::kInputMismatch, "is float32; model 'float32' takes int8, not complex64");
  EXPECT_EQ(WordsOf(InArray("uint8", error)), "input 'uint8': is FP32; model 'float32' takes INT8, not COMPLEX64");
  EXPECT_EQ(WordsOf(MakeError(Reason::kInputMismatch, "is string")), "is BYTES");
}

TEST(InferError, SaysUnknownModelAsForeignProgramsWantIt) {
  EXPECT_THAT(WordsOf(MakeError(Reason::kModelNotFound, "there is no model 'bool'")),
              testing::StartsWith("Request for unknown model: there is no model 'bool'"));
}

TEST(InferError, LeavesOtherWordsAlone) {
  const absl::Status error = MakeError(Reason::kModelNotReady, "unexpected end of string");
  EXPECT_EQ(WordsOf(error), "unexpected end of string");
}

TEST(InferError, TellsNothingOfWhatIsNotOurs) {
  EXPECT_THAT(WordsOf(absl::InvalidArgumentError("array 'x' at 0x7f")), Not(HasSubstr("0x7f")));
}

TEST(InferError, IsNoneWhereThereIsNone) { EXPECT_TRUE(InferEndOf("ModelInfer", absl::OkStatus()).ok()); }

}  // namespace
}  // namespace tensorferry::rpc
