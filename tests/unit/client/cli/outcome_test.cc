// What the command prints and returns.
#include "cli/outcome.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/status.h"

namespace tensorferry::cli {
namespace {

Outcome Converted() {
  client::Tensor tensor{.name = "x",
                        .dtype = "float32",
                        .shape = {2},
                        .strides = {1},
                        .numel = 2,
                        .itemsize = 4,
                        .nbytes = 8,
                        .device = "cpu"};
  tensor.receipt = client::Receipt{.source_dtype = ">f4",
                                   .numpy_dtype = "float32",
                                   .dtype_equal = true,
                                   .adjustments = {client::Adjustment::kByteOrderSwapped},
                                   .digest = Digest{std::byte{0x3f}, std::byte{0x9a}}};
  return {.server = "here:1",
          .request_id = "r",
          .response = client::Response{.tensors = {tensor}},
          .verdicts = {{.dtype_equal = true, .shape_equal = true, .digest_equal = false}}};
}

TEST(Json, HasTheDocumentedKeys) {
  const auto json = nlohmann::json::parse(ToJson(Converted()));
  EXPECT_EQ(json, nlohmann::json::parse(R"({
    "server": "here:1", "request_id": "r", "model": "", "model_version": "", "outputs": [],
    "tensors": [{"name": "x", "dtype": "float32", "shape": [2], "strides": [1], "numel": 2, "nbytes": 8, "device": "cpu",
                 "source_dtype": ">f4", "numpy_dtype": "float32", "dtype_equal": true,
                 "adjustments": ["BYTE_ORDER_SWAPPED"], "digest": "3f9a0000000000000000000000000000",
                 "digest_equal": false}],
    "timing": {"receive_ns": 0, "convert_ns": 0, "queue_ns": 0, "compute_ns": 0}})"));
}

TEST(Json, HasTheErrorInsteadOfTensors) {
  Outcome outcome = Converted();
  outcome.response = InArray("x", MakeError(Reason::kSizeMismatch, "too short", {.expected = "8", .actual = "7"}));
  EXPECT_EQ(nlohmann::json::parse(ToJson(outcome)), nlohmann::json::parse(R"({
    "server": "here:1", "request_id": "r", "model": "", "model_version": "",
    "error": {"code": "INVALID_ARGUMENT", "reason": "SIZE_MISMATCH", "message": "array 'x': too short",
              "metadata": {"array": "x", "expected": "8", "actual": "7"}}})"));
}

TEST(Text, IsOneLinePerTensor) {
  EXPECT_EQ(ToText(Converted()), "x  >f4 (2,)  -> torch.float32  dtype equal  digest DIFFERENT 3f9a0000…  swapped\n");
}

TEST(Text, OfANameCannotSteerTheTerminal) {
  Outcome outcome = Converted();
  outcome.response->tensors[0].name = "\x1b[2J\n";
  EXPECT_THAT(ToText(outcome), testing::StartsWith("\\x1b[2J\\n  "));
}

TEST(ExitCode, TellsWhoIsAtFault) {
  EXPECT_EQ(ExitCodeOf(MakeError(Reason::kBadDtype, "")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(MakeError(Reason::kModelFailed, "")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(MakeError(Reason::kDraining, "")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(MakeError(Reason::kDeadline, "")), ExitCode::kDeadline);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("no connection")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("broken framing")), ExitCode::kInternal);
}

}  // namespace
}  // namespace tensorferry::cli
