#include "inference/serving/input_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

std::string NamesOf(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : specs) names.push_back(Quote(spec.name));
  return fmt::format("[{}]", fmt::join(names, ", "));
}

absl::Status Mismatch(const ModelInfo& model, std::string_view name, const std::string& why,
                      const std::string& expected, const std::string& actual) {
  return MakeError(
      Reason::kInputMismatch,
      fmt::format("{} {} {}; model {} takes {}", Term("array"), Quote(name), why, Quote(model.name), expected),
      {.field = "arrays", .expected = expected, .actual = actual});
}

absl::Status CheckNames(const ModelInfo& model, std::span<const InputDeclaration> inputs) {
  std::set<std::string_view> seen;
  for (const InputDeclaration& input : inputs) {
    const auto refuse = [&](const std::string& why) {
      return Mismatch(model, input.name, why, model.inputs.empty() ? "any names" : NamesOf(model.inputs),
                      Quote(input.name));
    };
    if (input.name.empty()) return refuse("has no name");
    if (!seen.insert(input.name).second) return refuse("comes twice");
    if (!model.inputs.empty() && std::ranges::count(model.inputs, input.name, &TensorSpec::name) == 0) {
      return refuse("is not an input");
    }
  }
  for (const TensorSpec& spec : model.inputs) {
    if (spec.optional || seen.contains(spec.name)) continue;
    return MakeError(Reason::kInputMismatch,
                     fmt::format("input {} of model {} is missing", Quote(spec.name), Quote(model.name)),
                     {.field = "arrays", .expected = NamesOf(model.inputs), .actual = fmt::to_string(inputs.size())});
  }
  return absl::OkStatus();
}

bool Fits(const std::vector<std::int64_t>& spec, const Shape& shape) {
  return std::ranges::equal(spec, shape,
                            [](std::int64_t wanted, std::int64_t dim) { return wanted == -1 || wanted == dim; });
}

absl::Status CheckSpec(const ModelInfo& model, const TensorSpec& spec, const InputDeclaration& input) {
  if (spec.dtype.empty()) return absl::OkStatus();
  if (spec.dtype != input.dtype) {
    return Mismatch(model, spec.name, fmt::format("is {}", Term(input.dtype)), Term(spec.dtype), Term(input.dtype));
  }
  if (!Fits(spec.shape, input.shape)) {
    return Mismatch(model, spec.name, fmt::format("has shape {}", ToText(input.shape)), ToText(spec.shape),
                    ToText(input.shape));
  }
  return absl::OkStatus();
}

// Refuses strings for an input that is not declared as strings. Only built-in models take them anyway.
absl::Status CheckStrings(const ModelInfo& model, std::span<const InputDeclaration> inputs) {
  if (model.platform == kBuiltIn) return absl::OkStatus();
  for (const InputDeclaration& input : inputs) {
    if (input.dtype != kStrings) continue;
    const auto spec = std::ranges::find(model.inputs, input.name, &TensorSpec::name);
    if (spec != model.inputs.end() && spec->dtype == kStrings) continue;
    return Mismatch(model, input.name, fmt::format("is {}", Term(kStrings)), "a tensor", Term(kStrings));
  }
  return absl::OkStatus();
}

absl::Status CheckRows(const ModelInfo& model, std::span<const InputDeclaration> inputs) {
  if (model.max_batch_size == 0) return absl::OkStatus();
  for (const InputDeclaration& input : inputs) {
    const Shape& shape = input.shape;
    const std::string expected = fmt::format("a first dimension from 1 to {}, the batch", model.max_batch_size);
    if (shape.empty() || shape[0] < 1 || shape[0] > model.max_batch_size) {
      return Mismatch(model, input.name, fmt::format("has shape {}", ToText(shape)), expected, ToText(shape));
    }
    const Shape& first = inputs.front().shape;
    if (shape[0] != first[0]) {
      return Mismatch(
          model, input.name,
          fmt::format("has {} rows, {} {} has {}", shape[0], Term("array"), Quote(inputs.front().name), first[0]),
          "inputs of one batch, of as many rows each", fmt::to_string(shape[0]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckInputs(const ModelInfo& model, std::span<const InputDeclaration> inputs) {
  TENSORFERRY_RETURN_IF_ERROR(CheckNames(model, inputs));
  for (const TensorSpec& spec : model.inputs) {
    const auto input = std::ranges::find(inputs, std::string_view(spec.name), &InputDeclaration::name);
    if (input != inputs.end()) TENSORFERRY_RETURN_IF_ERROR(CheckSpec(model, spec, *input));
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckStrings(model, inputs));
  return CheckRows(model, inputs);
}

absl::Status CheckOutputs(const ModelInfo& model, std::span<const std::string> requested) {
  if (model.outputs.empty()) return absl::OkStatus();
  for (const std::string& name : requested) {
    if (std::ranges::count(model.outputs, name, &TensorSpec::name) > 0) continue;
    return MakeError(Reason::kUnknownOutput, fmt::format("model {} has no output {}", Quote(model.name), Quote(name)),
                     {.field = "requested_outputs", .expected = NamesOf(model.outputs), .actual = Quote(name)});
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
