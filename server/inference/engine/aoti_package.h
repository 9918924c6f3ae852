#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// What tensorferry.export writes into the metadata of a package under this key, as JSON: names, dtypes and shapes, and
// what the processor must have.
inline constexpr char kPackageKey[] = "tensorferry";

struct PackageSignature {
  std::vector<TensorSpec> inputs, outputs;  // In the package's order. Empty: the package does not say.
  std::vector<std::string> processor;       // Capabilities by torch's names.
};

// Errors: MODEL_NOT_READY for a text that is none of tensorferry.export's.
absl::StatusOr<PackageSignature> ReadPackageSignature(const std::string& json);

// Whether this machine can run what a package was compiled for, as its metadata say.
// Errors: MODEL_NOT_READY, with what is missing.
absl::Status CheckTarget(const std::map<std::string, std::string>& metadata, bool on_cuda);

// What a package says of its weights.
struct PackageWeights {
  std::string
      beside;  // Text of the member weights_config.json, which names the weights beside the library; empty: none.
  std::string source;     // The generated source; empty: the package was made without.
  bool has_blob = false;  // Whether the package has a member of raw weights, which torch gives to the library.
};

// Whether the package's library is given all of its weights when it is loaded. One that is not must never be run.
// Errors: MODEL_NOT_READY, with how to compile it.
absl::Status CheckWeights(const PackageWeights& weights);

// Whether this machine's processor has all `capabilities`.
// Errors: MODEL_NOT_READY, with the first that is missing.
absl::Status CheckProcessor(const std::vector<std::string>& capabilities);

}  // namespace tensorferry::inference
