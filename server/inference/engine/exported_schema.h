// What the JSON of an exported program says, in plain structs: names are not resolved, and nothing refers to anything.
#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// ExportedValue is a value of the program by its name, or a constant.
struct ExportedValue {
  std::string name;  // Empty: it is the constant.
  c10::IValue constant;
};

struct ExportedGraph;

// ExportedArgument is an argument of a node or one of its results.
struct ExportedArgument {
  enum class Form : std::uint8_t { kOne, kList, kGraph };
  Form form = Form::kOne;
  std::string kind;                  // As the JSON calls it: "as_ints".
  std::vector<ExportedValue> items;  // kOne: exactly one.
  std::shared_ptr<const ExportedGraph> graph;

  // Returns the only value of kOne; nothing for lists and graphs.
  const ExportedValue* one() const { return form == Form::kOne ? items.data() : nullptr; }
};

struct ExportedNode {
  struct Input {
    std::string name;  // Empty: it is known by its place.
    ExportedArgument argument;
  };
  std::string target;  // "torch.ops.aten.add.Tensor", "_operator.mul".
  std::vector<Input> inputs;
  std::vector<ExportedArgument> outputs;
};

struct ExportedGraph {
  std::vector<ExportedArgument> inputs;
  std::vector<ExportedNode> nodes;
  std::vector<ExportedArgument> outputs;
};

// ExportedTensor describes a tensor. The sizes are numbers, or expressions in SymPy's long form:
// "Symbol('s77', positive=True, integer=True)".
struct ExportedTensor {
  c10::ScalarType dtype = c10::ScalarType::Undefined;
  std::vector<std::string> sizes;
};

// ExportedWeight says where the elements of a parameter, buffer or constant are.
struct ExportedWeight {
  std::string member;  // Its file's name within the folder of weights or constants.
  c10::ScalarType dtype = c10::ScalarType::Undefined;
  std::vector<std::int64_t> sizes, strides;
  std::int64_t offset = 0;  // In elements.
  bool requires_grad = false;
};

// ExportedSpec says what an input or output of the graph is.
struct ExportedSpec {
  std::string kind;    // As the JSON calls it: "parameter", "user_output".
  std::string name;    // The name of the value in the graph; empty for constants.
  std::string target;  // The name of the parameter, buffer or constant; empty for inputs and outputs of the user.
};

struct ExportedRange {
  std::optional<std::int64_t> min, max;
};

struct ExportedFile {
  ExportedGraph graph;
  std::map<std::string, ExportedTensor> tensors;  // Those that the graph takes.
  std::map<std::string, std::string> numbers;     // The expressions of the numbers that the graph takes.
  std::vector<ExportedSpec> inputs, outputs;      // In the order of the graph's.
  std::map<std::string, ExportedRange> ranges;
  std::vector<std::string> guards;  // Conditions on inputs, in Python.
  std::string in_spec, out_spec;    // The call's pytrees (call_spec.h).
};

// The most bytes of JSON that are read, how deeply it may be nested, and how many values it may have.
inline constexpr std::size_t kMaxProgramBytes = 256 << 20;
inline constexpr int kMaxProgramDepth = 256;
inline constexpr std::size_t kMaxProgramValues = 16'000'000;

// Reads the program of an archive.
// Errors: MODEL_NOT_READY, with the place of the fault, or the version of the format if that is not known here.
absl::StatusOr<ExportedFile> ReadExportedFile(std::string_view json);

// Reads a list of weights or of constants. Errors: MODEL_NOT_READY.
absl::StatusOr<std::map<std::string, ExportedWeight>> ReadExportedWeights(std::string_view json);

}  // namespace tensorferry::inference
