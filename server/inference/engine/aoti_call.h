// The two sides of a package's call, as callers see them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// PackageCall is one side of a package's call: its inputs, or its outputs.
struct PackageCall {
  std::string_view kind;             // "input" or "output".
  std::vector<std::string> leaves;   // Their names (call_spec.h).
  std::vector<std::size_t> tensors;  // The indices of the leaves that are tensors.
  std::string warning;               // What is not certain of it; empty: everything is.
};

// These functions read a side of the call from its `spec` (call_spec.h) and the package's generated `source`.
// Errors: MODEL_NOT_READY if either is not understood.
absl::StatusOr<PackageCall> InputsOf(std::string_view spec, std::string_view source, const ModelConfig& config);
absl::StatusOr<PackageCall> OutputsOf(std::string_view spec, std::string_view source);

struct PackageSide {
  std::vector<TensorSpec> specs;    // As callers see them.
  std::vector<std::size_t> places;  // For each of them its index among the call's tensors.
  std::string warning;              // What is done against the words of the configuration; empty: nothing is.
};

// Returns what callers see of a side. `exported` is what tensorferry.export wrote into the package, or empty.
// Errors: MODEL_NOT_READY for a configuration that does not fit.
absl::StatusOr<PackageSide> MakeSide(const PackageCall& call, const std::vector<ConfiguredTensor>& configured,
                                     bool batched, const std::vector<TensorSpec>& exported);

}  // namespace tensorferry::inference
