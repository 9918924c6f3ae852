#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/aoti_bounds.h"
#include "inference/engine/dim_relations.h"
#include "inference/engine/exported_schema.h"

namespace tensorferry::inference {

// ExportedShapes are what the inputs of an exported program must be: dtypes, sizes, and what the sizes must be to each
// other. An input is a leaf of the call's arguments.
class ExportedShapes {
 public:
  // `names` are those of the inputs. An input that is a constant of the program has an empty name.
  // Errors: MODEL_NOT_READY if an input is of a dtype that no NumPy array has.
  static absl::StatusOr<ExportedShapes> Make(const ExportedFile& file, const std::vector<std::string>& names);

  // Returns the bounds of each input. Those of a number are the bounds of a tensor without dimensions.
  const std::vector<InputBounds>& bounds() const { return bounds_; }

  // Returns the conditions that nobody checks, as they are not understood.
  const std::vector<std::string>& unchecked() const { return relations_.not_understood(); }

  // Checks a request. The tensors of inputs that are constants are not looked at. Of `first_dim` dimensions only the
  // relations are checked. Errors: INPUT_MISMATCH.
  absl::Status Check(const std::vector<at::Tensor>& inputs, std::size_t first_dim) const;

  // Makes the refusal of a request for which an assertion of the program does not hold.
  // Errors: INPUT_MISMATCH if it is about sizes of inputs alone, else MODEL_FAILED.
  absl::Status Refusal(std::string_view assertion) const;

 private:
  std::vector<std::string> names_;
  std::vector<InputBounds> bounds_;
  std::map<std::size_t, ExportedRange> numbers_;  // By input: the values that a number may have.
  DimRelations relations_;
  std::map<std::string, std::string, std::less<>> dims_by_symbol_;  // In words: "dimension 0 of 'x'".
};

}  // namespace tensorferry::inference
