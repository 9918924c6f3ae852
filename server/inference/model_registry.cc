#include "inference/model_registry.h"

#include <fmt/format.h>

#include <utility>

#include "base/status.h"
#include "inference/identity_model.h"

namespace tensorferry::inference {

ModelRegistry::ModelRegistry() { Add(std::make_shared<IdentityModel>()); }

void ModelRegistry::Add(std::shared_ptr<Model> model) {
  ModelInfo info = model->info();
  std::string name = info.name;
  entries_.insert_or_assign(std::move(name), Entry{std::move(info), std::move(model)});
}

void ModelRegistry::AddUnavailable(ModelInfo info) {
  std::string name = info.name;
  entries_.insert_or_assign(std::move(name), Entry{std::move(info), nullptr});
}

absl::StatusOr<std::shared_ptr<Model>> ModelRegistry::Find(std::string_view name, std::string_view version) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return MakeError(Reason::kModelNotFound, fmt::format("there is no model {}", Quote(name)),
                     {.field = "model_name", .actual = Quote(name)});
  }
  const Entry& entry = found->second;
  if (!version.empty() && version != entry.info.version) {
    return MakeError(
        Reason::kModelNotFound,
        fmt::format("model {} has version {}, not {}", Quote(name), Quote(entry.info.version), Quote(version)),
        {.field = "model_version", .expected = entry.info.version, .actual = Quote(version)});
  }
  if (entry.model == nullptr) {
    return MakeError(Reason::kModelNotReady, fmt::format("model {} is not ready: {}", Quote(name), entry.info.reason),
                     {.field = "model_name", .actual = Quote(name)});
  }
  return entry.model;
}

std::vector<ModelInfo> ModelRegistry::List() const {
  std::vector<ModelInfo> models;
  for (const auto& [name, entry] : entries_) models.push_back(entry.info);
  return models;
}

}  // namespace tensorferry::inference
