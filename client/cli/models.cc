// What the command asks of a server about its models, and has it do with them.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/model_text.h"
#include "cli/query.h"

namespace tensorferry::cli {
namespace {

using client::ModelInfo;
using client::ModelState;
using client::ModelStatistics;

ExitCode PrintModels(const Arguments& arguments, const std::vector<ModelInfo>& models) {
  fmt::print("{}", arguments.json ? JsonText(JsonListOf(models, ModelJson)) + "\n" : ModelsText(models));
  return ExitCode::kOk;
}

// ModelFacts is all that a server says of one model.
struct ModelFacts {
  std::vector<ModelInfo> versions;
  std::optional<client::ModelConfig> config;  // Neither this nor statistics are there while no version is ready.
  std::vector<ModelStatistics> statistics;

  // Returns the version that the server would choose: the last that it lists as ready, else the last.
  const ModelInfo& chosen() const {
    const auto ready = std::find_if(versions.rbegin(), versions.rend(),
                                    [](const ModelInfo& each) { return each.state == ModelState::kReady; });
    return ready == versions.rend() ? versions.back() : *ready;
  }
};

absl::StatusOr<ModelFacts> AskFacts(client::Client& client, const std::string& name,
                                    std::chrono::milliseconds timeout) {
  ModelFacts facts;
  TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<ModelInfo> models, client.ListModels(timeout));
  facts.versions = VersionsOf(models, name);
  const bool ready = !facts.versions.empty() && facts.chosen().state == ModelState::kReady;
  absl::StatusOr<client::ModelConfig> config = client.GetModelConfig(name, timeout);
  if (!config.ok()) {
    const bool has_none = !facts.versions.empty() && !ready;
    return has_none ? absl::StatusOr<ModelFacts>(std::move(facts)) : config.status();
  }
  facts.config = *std::move(config);
  TENSORFERRY_ASSIGN_OR_RETURN(facts.statistics, client.GetStatistics(name, timeout));
  return facts;
}

std::string FactsText(const ModelFacts& facts) {
  std::string text = ModelsText(facts.versions);
  if (facts.versions.empty()) return text;  // It was taken out of service meanwhile.
  text += '\n' + SpecsText(facts.chosen());
  if (!facts.chosen().sha256.empty()) text += fmt::format("\nSHA-256 {}\n", facts.chosen().sha256);
  if (!facts.statistics.empty()) text += '\n' + StatisticsText(facts.statistics);
  for (const ModelStatistics& each : facts.statistics) {
    if (!each.batches.empty()) text += fmt::format("\nversion {}\n{}", each.version, BatchesText(each));
  }
  if (facts.config) text += "\n# As in a config.pbtxt:\n" + facts.config->text;
  return text;
}

Json FactsJson(const std::string& name, const ModelFacts& facts) {
  return {{"name", name},
          {"versions", JsonListOf(facts.versions, ModelJson)},
          {"config", facts.config ? Json::parse(facts.config->json) : Json()},
          {"statistics", JsonListOf(facts.statistics, StatisticsJson)}};
}

// Change has the server load or unload the model, and prints its versions then.
ExitCode Change(const Arguments& arguments,
                absl::Status (client::Client::*change)(const std::string&, std::chrono::milliseconds)) {
  const auto ask = [&](client::Client& client,
                       std::chrono::milliseconds timeout) -> absl::StatusOr<std::vector<ModelInfo>> {
    TENSORFERRY_RETURN_IF_ERROR((client.*change)(arguments.model, arguments.timeout));
    TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<ModelInfo> models, client.ListModels(timeout));
    return VersionsOf(models, arguments.model);
  };
  const auto print = [&](const std::vector<ModelInfo>& models) { return PrintModels(arguments, models); };
  return Query(arguments, ask, print);
}

}  // namespace

ExitCode RunModels(const Arguments& arguments) {
  const auto ask = [](client::Client& client, std::chrono::milliseconds timeout) { return client.ListModels(timeout); };
  return Query(arguments, ask, [&](const auto& models) { return PrintModels(arguments, models); });
}

ExitCode RunModel(const Arguments& arguments) {
  const auto ask = [&](client::Client& client, std::chrono::milliseconds timeout) {
    return AskFacts(client, arguments.model, timeout);
  };
  return Query(arguments, ask, [&](const ModelFacts& facts) {
    fmt::print("{}", arguments.json ? JsonText(FactsJson(arguments.model, facts)) + "\n" : FactsText(facts));
    return ExitCode::kOk;
  });
}

ExitCode RunStats(const Arguments& arguments) {
  const auto ask = [&](client::Client& client, std::chrono::milliseconds timeout) {
    return client.GetStatistics(arguments.model, timeout);
  };
  return Query(arguments, ask, [&](const std::vector<ModelStatistics>& statistics) {
    fmt::print("{}",
               arguments.json ? JsonText(JsonListOf(statistics, StatisticsJson)) + "\n" : StatisticsText(statistics));
    return ExitCode::kOk;
  });
}

ExitCode RunLoad(const Arguments& arguments) { return Change(arguments, &client::Client::LoadModel); }

ExitCode RunUnload(const Arguments& arguments) { return Change(arguments, &client::Client::UnloadModel); }

}  // namespace tensorferry::cli
