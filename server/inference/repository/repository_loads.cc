// How ModelRepository loads what it has been decided to load: the versions of one model, one after another.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/failure_text.h"
#include "base/status.h"
#include "inference/repository/model_loader.h"
#include "inference/repository/model_repository.h"
#include "inference/repository/source_config.h"
#include "inference/repository/version_choice.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

// Models that have no handles any more are destroyed in the order in which that came to be so. kDestruction is no UTF-8,
// so that no name that a caller sends is the same: destructions would wait for that caller's load.
constexpr char kDestruction[] = "\xff";

std::string Missing(std::int64_t version) {
  return fmt::format("config.pbtxt asks for version {}, which does not exist", version);
}

}  // namespace

// Makes the versions LOADING that the model's next load is to load. What of them does not come to be then is known only
// after that.
std::unique_ptr<PendingLoad> ModelRepository::Announce(const ModelSource& source, const std::string& overrides) {
  std::vector<std::int64_t> versions;
  const auto config = ReadSourceConfig(source, overrides, options_.read_config);
  if (config.ok()) versions = ChooseVersions(source, config->versions).there;
  if (versions.empty()) versions.push_back(NewestOf(source));
  return std::make_unique<PendingLoad>(registry_, source.name, std::move(versions));
}

ModelRepository::Record ModelRepository::RecordOf(const std::string& name) const {
  const MutexLock lock(records_mutex_);
  const auto record = records_.find(name);
  return record == records_.end() ? Record() : record->second;
}

absl::Status ModelRepository::Apply(const ModelSource& source, const std::string& overrides) {
  Record record = RecordOf(source.name);
  const absl::Status status = LoadWanted(source, overrides, record);
  record.applied = source.stamp;
  const MutexLock lock(records_mutex_);
  records_[source.name] = std::move(record);
  return status;
}

absl::Status ModelRepository::LoadWanted(const ModelSource& source, const std::string& overrides, Record& record) {
  const auto fail = [&](const absl::Status& error) {
    Fail(source, NewestOf(source), error);
    return error;
  };
  if (!source.problem.empty()) return fail(MakeError(Reason::kModelNotReady, source.problem));
  const auto config = ReadSourceConfig(source, overrides, options_.read_config);
  if (!config.ok()) return fail(config.status());
  LogIgnored(source.name, *config);
  const VersionChoice choice = ChooseVersions(source, config->versions);
  if (choice.there.empty() && choice.missing.empty()) {
    return fail(MakeError(Reason::kModelNotReady, "config.pbtxt: version_policy names no version"));
  }
  for (const std::int64_t version : choice.missing) TellMissing(source.name, version);
  if (choice.there.empty()) return MakeError(Reason::kModelNotReady, Missing(choice.missing.back()));
  const PendingLoad pending(registry_, source.name, choice.there);
  absl::Status first;
  for (const std::int64_t version : choice.there) {
    const auto loaded = record.serving.find(version);
    const std::string stamp = source.versions.at(version).stamp + overrides;
    if (loaded != record.serving.end() && loaded->second == stamp) continue;
    const absl::Status status = LoadOne(source, *config, version);
    if (status.ok()) record.serving[version] = stamp;
    first.Update(status);
  }
  if (first.ok()) WithdrawTheOthers(source.name, choice, record);
  return first;
}

// Logs and lists that the configuration asks for a version that is not there.
void ModelRepository::TellMissing(const std::string& name, std::int64_t version) {
  spdlog::error("model {} version {}: {}", name, version, Missing(version));
  if (registry_.IsServed(name, version)) return;
  registry_.Set({.name = name,
                 .version = fmt::to_string(version),
                 .state = ModelState::kUnavailable,
                 .reason = Missing(version)});
}

void ModelRepository::WithdrawTheOthers(const std::string& name, const VersionChoice& choice, Record& record) {
  std::erase_if(record.serving, [&](const auto& each) { return std::ranges::count(choice.there, each.first) == 0; });
  for (const std::int64_t version : choice.missing) registry_.Withdraw(name, version, Missing(version));
  std::vector<std::int64_t> named = choice.there;
  named.insert(named.end(), choice.missing.begin(), choice.missing.end());
  registry_.WithdrawAllBut(name, named, "");
}

absl::Status ModelRepository::LoadOne(const ModelSource& source, const ModelConfig& config, std::int64_t version) {
  const ModelSource::Version& from = source.versions.at(version);
  const auto load = [&]() -> absl::StatusOr<std::unique_ptr<ServedModel>> {
    TENSORFERRY_ASSIGN_OR_RETURN(const fs::path file, FileOfVersion(from.path, config));
    const auto tell = [this, name = source.name] { registry_.Tell(name); };
    return LoadVersion({source.name, version, file, source.folder, source.root, tell}, config, options_.loader, pool_);
  };
  const auto start = std::chrono::steady_clock::now();
  auto model = load();
  if (!model.ok()) {
    Fail(source, version, model.status());
    return model.status();
  }
  spdlog::info("model {} version {} is ready: {}", source.name, version, (*model)->info().platform);
  const auto retire = [this](ServedModel* last) { Retire(last->info(), std::unique_ptr<ServedModel>(last)); };
  registry_.Publish(version, {model->release(), retire}, std::chrono::steady_clock::now() - start);
  return absl::OkStatus();
}

void ModelRepository::Fail(const ModelSource& source, std::int64_t version, const absl::Status& error) {
  const Failure failure = DescribeError(error);
  const bool serves = registry_.IsServed(source.name, version);
  spdlog::error("model {} version {} cannot be loaded{}: {}", source.name, version,
                serves ? ", and goes on as it was" : "", TextForLog(failure));
  if (serves) return;
  registry_.Set({.name = source.name,
                 .version = fmt::to_string(version),
                 .state = ModelState::kUnavailable,
                 .reason = failure.message});
}

// The thread that releases the last handle of a model calls Retire.
void ModelRepository::Retire(ModelInfo info, std::unique_ptr<ServedModel> model) {
  operations_.Post(kDestruction, OperationQueue::Kind::kQuick,
                   [this, info = std::move(info), last = std::shared_ptr<ServedModel>(std::move(model))]() mutable {
                     last.reset();  // Waits until its executors have ended.
                     registry_.EndWithdrawal(info);
                   });
}

}  // namespace tensorferry::inference
