#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/query.h"

namespace tensorferry::cli {
namespace {

using client::ModelInfo;
using client::ModelState;
using client::TensorSpec;

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

// SpecsText writes `x float32 (-1, 3)`, without what the model does not tell.
std::string SpecsText(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> texts;
  for (const TensorSpec& spec : specs) {
    texts.push_back(spec.dtype.empty() ? spec.name
                                       : fmt::format("{} {} {}", spec.name, spec.dtype, ShapeText(spec.shape)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

Json SpecsJson(const std::vector<TensorSpec>& specs) {
  Json json = Json::array();
  for (const TensorSpec& spec : specs) {
    json.push_back({{"name", spec.name}, {"dtype", spec.dtype}, {"shape", spec.shape}});
  }
  return json;
}

void PrintModels(const std::vector<ModelInfo>& models) {
  std::vector<std::vector<std::string>> rows;
  for (const ModelInfo& model : models) {
    std::vector<std::string> row{model.name,
                                 model.version,
                                 std::string(StateText(model.state)),
                                 model.platform,
                                 fmt::format("({}) -> ({})", SpecsText(model.inputs), SpecsText(model.outputs)),
                                 model.reason};
    for (std::string& cell : row) cell = OneLine(cell);
    rows.push_back(std::move(row));
  }
  fmt::print("{}", Align(rows));
}

void PrintModelsJson(const std::vector<ModelInfo>& models) {
  Json json = Json::array();
  for (const ModelInfo& model : models) {
    json.push_back({{"name", model.name},
                    {"version", model.version},
                    {"state", StateText(model.state)},
                    {"reason", model.reason},
                    {"platform", model.platform},
                    {"inputs", SpecsJson(model.inputs)},
                    {"outputs", SpecsJson(model.outputs)},
                    {"sha256", model.sha256}});
  }
  fmt::print("{}\n", JsonText(json));
}

}  // namespace

ExitCode RunModels(const Arguments& arguments) {
  const auto ask = [](client::Client& client, std::chrono::milliseconds timeout) { return client.ListModels(timeout); };
  return Query(arguments, ask, [&](const std::vector<ModelInfo>& models) {
    arguments.json ? PrintModelsJson(models) : PrintModels(models);
    return ExitCode::kOk;
  });
}

}  // namespace tensorferry::cli
