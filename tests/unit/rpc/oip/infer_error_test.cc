#include "rpc/oip/infer_error.h"

#include <gmock/gmock.h>

#include <array>

#include "base/status.h"
#include "google/rpc/status.pb.h"
#include "payload/array_header.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string WordsOf(const absl::Status& error) {
  const grpc::Status end = ToGrpcStatus(InferError(error));
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(end.error_details()));
  EXPECT_EQ(details.message(), end.error_message()) << "clients refuse details that say otherwise";
  EXPECT_EQ(details.code(), end.error_code());
  return end.error_message();
}

TEST(InferError, SaysInputAndDatatypesAsTheProtocolDoes) {
  constexpr std::array<std::int64_t, 2> kShape{2, 3};
  const auto header =
      ArrayHeader::Make({.dtype = "float32", .shape = kShape}, Fidelity::kConvert, {.max_tensor_bytes = 1 << 20});
  const absl::Status error = InArray("float32", header->CheckNbytes(23));
  EXPECT_EQ(error.message(), "array 'float32': float32 with shape [2, 3] needs 24 bytes, got 23");
  EXPECT_EQ(WordsOf(error), "input 'float32': FP32 with shape [2, 3] needs 24 bytes, got 23");
  EXPECT_EQ(WordsOf(MakeError(Reason::kInputMismatch, "is " + Term("string"))), "is BYTES");
}

TEST(InferError, LeavesWordsAloneThatAreNoDtypes) {
  const std::string message = "parameter 'sequence_start' must be a bool (bool_param)";
  EXPECT_EQ(WordsOf(MakeError(Reason::kInputMismatch, message)), message);
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

}  // namespace
}  // namespace tensorferry::rpc
