#include "rpc/oip/infer_error.h"

#include <gmock/gmock.h>

#include <array>

#include "base/shared_memory.h"
#include "base/status.h"
#include "google/rpc/status.pb.h"
#include "payload/array_header.h"
#include "rpc/call/request_check.h"
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

// Names of all kinds, one of which is long enough to be cut.
const std::array<std::string, 5> kNames{"it's an array of int32", "'array'",
                                        "gr\xc3\xb6\xc3\x9f"
                                        "e",
                                        "array", std::string(256, 'n')};

TEST(InferError, NeverChangesACallersWords) {
  for (const std::string& name : kNames) {
    EXPECT_EQ(WordsOf(InArray(name, MakeError(Reason::kInputMismatch, "is " + Term("int32") + ", not 'int32'"))),
              "input " + Quote(name) + ": is INT32, not 'int32'");
  }
}

TEST(InferError, SaysInputWhateverTheReason) {
  const SharedRegions regions({.system = true});
  for (const std::string& name : kNames) {
    const absl::Status status = InArray(name, regions.Find("region", 0, 1).status());
    EXPECT_EQ(ToGrpcStatus(status).error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_THAT(WordsOf(status), testing::StartsWith("input " + Quote(name) + ": Unable to find shared memory"));
  }
  for (const ReasonInfo& row : kReasons) {
    EXPECT_THAT(WordsOf(InArray("x", MakeError(row.reason, "why"))), testing::EndsWith("input 'x': why"));
  }
}

TEST(InferError, SaysTheProtocolsFieldsOfBadNames) {
  RequestView request;
  const std::string name(257, 'n');
  request.arrays.emplace_back().name = name;
  EXPECT_THAT(WordsOf(CheckRequest(request)), testing::StartsWith("field inputs[0].name: 'nnn"));
  request.requested_outputs.push_back(name);
  EXPECT_THAT(WordsOf(CheckRequest(request)), testing::StartsWith("field outputs: 'nnn"));
  request.request_id = name;
  EXPECT_THAT(WordsOf(CheckRequest(request)), testing::StartsWith("field id: 'nnn"));
  EXPECT_EQ(DescribeError(CheckRequest(request)).metadata.at("field"), "request_id");
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
