#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/exit_code.h"
#include "tensorferry/client/response.h"
#include "tensorferry/client/verify.h"

namespace tensorferry::cli {

// Refused is an array that was not converted, and the reason.
struct Refused {
  std::string file;
  std::string name;
  absl::Status error;
};

// Outcome is what came of one file, each of whose arrays is a request, or of all files as the one request to a model.
struct Outcome {
  std::string server;
  std::string request_id;
  std::string model;
  client::Response response;              // Tensors, outputs and times of all requests together.
  std::vector<client::Verdict> verdicts;  // One per tensor of the response.
  std::vector<Refused> refused;
  std::vector<std::string> skipped;  // Members that are no arrays.
  absl::Status error;                // Why nothing was converted, or why not everything was tried.
  ExitCode exit_code = ExitCode::kOk;
};

// ShapeText writes a shape as NumPy prints it: "(1000,)".
std::string ShapeText(const std::vector<std::int64_t>& shape);

// ToText writes, for people, one aligned line per tensor and output.
std::string ToText(const Outcome& outcome);

// ToJson writes, for programs, one object on one line.
std::string ToJson(const Outcome& outcome);

// ErrorText writes "SIZE_MISMATCH: array 'x': …", with the code where there is no reason.
std::string ErrorText(const absl::Status& error);

}  // namespace tensorferry::cli
