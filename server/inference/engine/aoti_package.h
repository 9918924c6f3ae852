#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// kPackageKey is the key in a package's metadata under which tensorferry.export writes, as JSON, the names, dtypes and
// shapes, and the capabilities that the processor must have.
inline constexpr char kPackageKey[] = "tensorferry";

struct PackageSignature {
  std::vector<TensorSpec> inputs, outputs;  // In the package's order. Empty: the package does not say them.
  std::vector<std::string> processor;       // The capabilities that the processor must have, by torch's names.
  std::string torch;                        // The version of torch that compiled the package; empty: it is not known.
};

// Reads the JSON that is stored under kPackageKey. An empty text gives an empty signature.
// Errors: MODEL_NOT_READY if tensorferry.export has not written the text.
absl::StatusOr<PackageSignature> ReadPackageSignature(const std::string& json);

// Returns whether `version` is a version of another torch than this server's. What is not known is none. The builds of
// one version, such as 2.13.0+cpu, count as the same.
bool IsOtherTorch(std::string_view version);

// Checks that a package with these metadata was compiled for a machine like this one.
// Errors: MODEL_NOT_READY, with what is missing.
absl::Status CheckTarget(const std::map<std::string, std::string>& metadata, bool on_cuda);

// PackageWeights say where a package has its weights.
struct PackageWeights {
  std::string
      beside;  // The text of the member weights_config.json, which names the weights beside the library; empty: none.
  std::string source;     // The generated source; empty: the package has none.
  bool has_blob = false;  // Whether the package has a member of raw weights, which torch gives to the library.
};

// Checks that the package's library gets all of its weights when it is loaded. A library without them must never run:
// it would read memory that is not there (https://github.com/pytorch/pytorch/pull/142246).
// Errors: MODEL_NOT_READY, with how to compile the package.
absl::Status CheckWeights(const PackageWeights& weights);

// Checks that this machine's processor has all `capabilities`.
// Errors: MODEL_NOT_READY, with the first that is missing.
absl::Status CheckProcessor(const std::vector<std::string>& capabilities);

}  // namespace tensorferry::inference
