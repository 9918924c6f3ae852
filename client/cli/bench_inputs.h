#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/server_info.h"

namespace tensorferry::cli {

// BenchLoad is what each request of a measurement has.
struct BenchLoad {
  std::uint64_t nbytes = 0;           // Of the elements of all arrays.
  std::vector<client::Array> arrays;  // They own their memory.
};

// ReadBenchInputs reads the arrays of `--input`. One without a name that is alone is called as `input`, the model's only
// one, if that is known.
// Errors: those of InputFile; INVALID_ARGUMENT for a named file without exactly one array. Each begins with the file.
absl::StatusOr<BenchLoad> ReadBenchInputs(const Arguments& arguments, const client::TensorSpec& input);

}  // namespace tensorferry::cli
