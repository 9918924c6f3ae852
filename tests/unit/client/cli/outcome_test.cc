// These tests read what the command prints and returns.
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
  Outcome outcome;
  outcome.server = "here:1";
  outcome.request_id = "r";
  outcome.response = client::Response{.tensors = {tensor}};
  outcome.verdicts = {{.dtype_equal = true, .shape_equal = true, .digest_equal = false}};
  return outcome;
}

absl::Status TooShort() {
  return InArray("y", MakeError(Reason::kSizeMismatch, "too short", {.expected = "8", .actual = "7"}));
}

constexpr const char* kTensors = R"([{
    "name": "x", "dtype": "float32", "shape": [2], "strides": [1], "numel": 2, "nbytes": 8, "device": "cpu",
    "source_dtype": ">f4", "numpy_dtype": "float32", "dtype_equal": true, "adjustments": ["BYTE_ORDER_SWAPPED"],
    "digest": "3f9a0000000000000000000000000000", "digest_equal": false}])";
constexpr const char* kError = R"({
    "code": "INVALID_ARGUMENT", "reason": "SIZE_MISMATCH", "message": "array 'y': too short",
    "metadata": {"array": "y", "expected": "8", "actual": "7"}})";

nlohmann::json Documented(const char* tensors) {
  auto documented = nlohmann::json::parse(R"({
    "server": "here:1", "request_id": "r", "model": "", "model_version": "", "outputs": [], "refused": [],
    "skipped": [], "timing": {"receive_ns": 0, "convert_ns": 0, "queue_ns": 0, "compute_ns": 0}})");
  documented["tensors"] = nlohmann::json::parse(tensors);
  return documented;
}

TEST(Json, HasTheDocumentedKeys) { EXPECT_EQ(nlohmann::json::parse(ToJson(Converted())), Documented(kTensors)); }

TEST(Json, HasWhatWasRefusedAndSkippedBesideTheTensors) {
  Outcome outcome = Converted();
  outcome.refused = {{"f.npz", "y", TooShort()}};
  outcome.skipped = {"readme.txt"};
  nlohmann::json expected = Documented(kTensors);
  expected["refused"] = {{{"file", "f.npz"}, {"name", "y"}, {"error", nlohmann::json::parse(kError)}}};
  expected["skipped"] = {"readme.txt"};
  EXPECT_EQ(nlohmann::json::parse(ToJson(outcome)), expected);
}

TEST(Json, HasTheErrorIfNothingWasConverted) {
  Outcome outcome = Converted();
  outcome.response.tensors.clear();
  outcome.verdicts.clear();
  outcome.error = TooShort();
  nlohmann::json expected = Documented("[]");
  expected["error"] = nlohmann::json::parse(kError);
  EXPECT_EQ(nlohmann::json::parse(ToJson(outcome)), expected);
}

TEST(Text, IsOneLinePerTensor) {
  EXPECT_EQ(ToText(Converted()), "x  >f4 (2,)  -> torch.float32  dtype equal  digest DIFFERENT 3f9a0000…  swapped\n");
}

TEST(Text, OfANameCannotSteerTheTerminal) {
  Outcome outcome = Converted();
  outcome.response.tensors[0].name = "\x1b[2J\n";
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

TEST(ExitCode, OfSeveralIsTheWorst) {
  const std::vector order{ExitCode::kOk, ExitCode::kBadInput, ExitCode::kRefused, ExitCode::kNotEqual,
                          ExitCode::kInternal};
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t j = 0; j < order.size(); ++j) EXPECT_EQ(Worse(order[i], order[j]), order[std::max(i, j)]);
  }
  EXPECT_EQ(Worse(ExitCode::kDeadline, ExitCode::kUnreachable), ExitCode::kDeadline)
      << "the first of two that are alike";
}

}  // namespace
}  // namespace tensorferry::cli
