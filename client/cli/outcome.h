#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "tensorferry/client/response.h"
#include "tensorferry/client/verify.h"

namespace tensorferry::cli {

// What came of one request.
struct Outcome {
  std::string server;
  std::string request_id;
  std::string model;
  absl::StatusOr<client::Response> response;
  std::vector<client::Verdict> verdicts;  // One per tensor of the response.
  ExitCode exit_code = ExitCode::kOk;
};

std::string HexText(const Digest& digest);

// As NumPy prints a shape: "(1000,)".
std::string ShapeText(const std::vector<std::int64_t>& shape);

// For people: one aligned line per tensor and output. Empty for an error.
std::string ToText(const Outcome& outcome);

// For programs: one object on one line.
std::string ToJson(const Outcome& outcome);

// "SIZE_MISMATCH: array 'x': …", without a reason the code.
std::string ErrorText(const absl::Status& error);

}  // namespace tensorferry::cli
