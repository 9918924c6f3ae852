#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/exit_code.h"
#include "tensorferry/client/response.h"
#include "tensorferry/client/verify.h"

namespace tensorferry::cli {

// An array that was not converted, and why.
struct Refused {
  std::string file;
  std::string name;
  absl::Status error;
};

// What came of one file, whose arrays are requests of their own, or of all files as the one request of a model.
struct Outcome {
  std::string server;
  std::string request_id;
  std::string model;
  client::Response response;              // Tensors, outputs and times of all requests together.
  std::vector<client::Verdict> verdicts;  // One per tensor of the response.
  std::vector<Refused> refused;
  std::vector<std::string> skipped;  // Members that are no arrays.
  absl::Status error;                // Why nothing was converted, or not all was tried.
  ExitCode exit_code = ExitCode::kOk;
};

std::string HexText(const Digest& digest);

// ShapeText writes a shape as NumPy prints it: "(1000,)".
std::string ShapeText(const std::vector<std::int64_t>& shape);

// For people: one aligned line per tensor and output.
std::string ToText(const Outcome& outcome);

// For programs: one object on one line.
std::string ToJson(const Outcome& outcome);

// "SIZE_MISMATCH: array 'x': …", without a reason the code.
std::string ErrorText(const absl::Status& error);

}  // namespace tensorferry::cli
