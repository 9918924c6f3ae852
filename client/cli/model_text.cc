#include "cli/model_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "cli/outcome.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

using client::ModelInfo;
using client::ModelState;
using client::TensorSpec;

// Signature writes `x float32 (-1, 3)` for each, without what the model does not tell.
std::string Signature(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> texts;
  for (const TensorSpec& spec : specs) {
    texts.push_back(spec.dtype.empty() ? spec.name
                                       : fmt::format("{} {} {}", spec.name, spec.dtype, ShapeText(spec.shape)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

Json SpecsJson(const std::vector<TensorSpec>& specs) {
  return JsonListOf(specs, [](const TensorSpec& spec) {
    return Json{{"name", spec.name}, {"dtype", spec.dtype}, {"shape", spec.shape}};
  });
}

std::string CountText(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string_view StateText(ModelState state) {
  switch (state) {
    case ModelState::kUnknown: return "UNKNOWN";
    case ModelState::kLoading: return "LOADING";
    case ModelState::kReady: return "READY";
    case ModelState::kUnavailable: return "UNAVAILABLE";
    case ModelState::kUnloading: return "UNLOADING";
  }
  __builtin_unreachable();
}

std::vector<ModelInfo> VersionsOf(const std::vector<ModelInfo>& models, const std::string& name) {
  std::vector<ModelInfo> versions;
  std::ranges::copy_if(models, std::back_inserter(versions), [&](const ModelInfo& each) { return each.name == name; });
  return versions;
}

std::string ModelsText(std::span<const ModelInfo> models) {
  Table table({Text("model"), Text("version"), Text("state"), Text("platform"), Text("inputs -> outputs; why not")});
  for (const ModelInfo& model : models) {
    std::string signature = fmt::format("({}) -> ({})", Signature(model.inputs), Signature(model.outputs));
    if (!model.reason.empty()) signature += "; " + model.reason;
    table.Add({model.name, model.version, std::string(StateText(model.state)), model.platform, std::move(signature)});
  }
  const auto ready = std::ranges::count(models, ModelState::kReady, &ModelInfo::state);
  return table.ToText(TableWidth()) + fmt::format("{}, {} ready\n", CountText(models.size(), "version"), ready);
}

std::string SpecsText(const ModelInfo& model) {
  Table table({Text("tensor"), Text("name"), Text("dtype"), Text("shape")});
  const auto add = [&](std::string_view kind, const std::vector<TensorSpec>& specs) {
    for (const TensorSpec& spec : specs) {
      table.Add({std::string(kind), spec.name, spec.dtype, spec.dtype.empty() ? "" : ShapeText(spec.shape)});
    }
  };
  add("input", model.inputs);
  add("output", model.outputs);
  return table.ToText(TableWidth());
}

Json ModelJson(const ModelInfo& model) {
  return {{"name", model.name},
          {"version", model.version},
          {"state", StateText(model.state)},
          {"reason", model.reason},
          {"platform", model.platform},
          {"inputs", SpecsJson(model.inputs)},
          {"outputs", SpecsJson(model.outputs)},
          {"sha256", model.sha256}};
}

}  // namespace tensorferry::cli
