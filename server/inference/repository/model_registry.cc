#include "inference/repository/model_registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/reversed.h"
#include "base/status.h"

namespace tensorferry::inference {
namespace {

std::int64_t NumberOf(std::string_view version) {
  std::int64_t number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  return number;
}

absl::Status NoModel(std::string_view name) {
  return MakeError(Reason::kModelNotFound, fmt::format("there is no model {}", Quote(name)),
                   {.field = "model_name", .actual = Quote(name)});
}

// `passes`: the version is loaded, and what keeps it from serving may pass.
absl::Status NotReady(const ModelInfo& info, bool passes) {
  const std::string why = info.state == ModelState::kLoading     ? "it is being loaded"
                          : info.state == ModelState::kUnloading ? "it is being unloaded"
                                                                 : info.reason;
  const auto retry_after = std::chrono::milliseconds(passes || info.state == ModelState::kLoading ? 1000 : 0);
  return MakeError(Reason::kModelNotReady, fmt::format("model {} is not ready: {}", Quote(info.name), why),
                   {.field = "model_name", .actual = Quote(info.name), .retry_after = retry_after});
}

}  // namespace

ModelInfo ModelRegistry::Entry::CurrentInfo() const {
  ModelInfo current = info;
  if (model == nullptr && pending > 0) {
    current.state = ModelState::kLoading;
    current.reason.clear();
    return current;
  }
  auto why = model == nullptr ? std::nullopt : model->unavailable();
  if (!why) return current;
  current.state = ModelState::kUnavailable;
  current.reason = *std::move(why);
  return current;
}

const ModelRegistry::Versions* ModelRegistry::VersionsOf(std::string_view name) const {
  if (const auto found = models_.find(name); found != models_.end()) return &found->second;
  const auto built_in = built_in_.find(name);
  return built_in == built_in_.end() ? nullptr : &built_in->second;
}

bool ModelRegistry::IsReady(const std::string& name) const {
  const MutexLock lock(mutex_);
  const Versions* const versions = VersionsOf(name);
  return versions != nullptr &&
         std::ranges::any_of(*versions, [](const auto& version) { return version.second.serves(); });
}

void ModelRegistry::Observe(Observer observer) {
  const MutexLock observing(observer_mutex_);
  observer_ = std::move(observer);
  if (!observer_) return;
  std::vector<std::string> names;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, versions] : models_) names.push_back(name);
    for (const auto& [name, versions] : built_in_) {
      if (!models_.contains(name)) names.push_back(name);
    }
  }
  for (const std::string& name : names) observer_(name, IsReady(name));
}

void ModelRegistry::Change(const std::string& name, const std::function<void(Versions&, Removed&)>& change) {
  Removed removed;
  {
    const MutexLock lock(mutex_);
    Versions& versions = models_[name];
    change(versions, removed);
    if (versions.empty()) models_.erase(name);
  }
  Tell(name);
}

// The observer hears the state as it is now, not as a change has left it: of two changes that come at the same time the
// last call of the observer tells the outcome of both.
void ModelRegistry::Tell(const std::string& name) {
  const MutexLock observing(observer_mutex_);
  if (observer_) observer_(name, IsReady(name));
}

void ModelRegistry::AddBuiltIn(std::shared_ptr<ServedModel> model) {
  const MutexLock lock(mutex_);
  const ModelInfo info = model->info();
  built_in_[info.name][NumberOf(info.version)] = {.info = info, .model = std::move(model), .known = true};
}

void ModelRegistry::AddPending(const std::string& name, const std::vector<std::int64_t>& versions) {
  Change(name, [&](Versions& all, Removed&) {
    for (const std::int64_t version : versions) {
      Entry& entry = all[version];
      if (!entry.known) entry.info = {.name = name, .version = fmt::to_string(version)};
      ++entry.pending;
    }
  });
}

void ModelRegistry::RemovePending(const std::string& name, const std::vector<std::int64_t>& versions) {
  Change(name, [&](Versions& all, Removed&) {
    for (const std::int64_t version : versions) {
      const auto entry = all.find(version);
      if (--entry->second.pending == 0 && !entry->second.known) all.erase(entry);
    }
  });
}

void ModelRegistry::Set(const ModelInfo& info) {
  Change(info.name, [&](Versions& versions, Removed& removed) {
    Entry& entry = versions[NumberOf(info.version)];
    entry.info = info;
    entry.known = true;
    removed.push_back(std::move(entry.model));
  });
}

void ModelRegistry::Publish(std::int64_t version, std::shared_ptr<ServedModel> model,
                            std::chrono::nanoseconds load_time) {
  Change(model->info().name, [&](Versions& versions, Removed& removed) {
    Entry& entry = versions[version];
    entry.info = model->info();
    entry.info.load_time = load_time;
    entry.known = true;
    removed.push_back(std::exchange(entry.model, model));
  });
}

void ModelRegistry::WithdrawAllBut(const std::string& name, const std::vector<std::int64_t>& kept,
                                   const std::string& reason) {
  Change(name, [&](Versions& versions, Removed& removed) {
    for (auto next = versions.begin(); next != versions.end();) {
      const auto entry = next++;
      const bool stays = std::ranges::find(kept, entry->first) != kept.end();
      if (entry->second.known && !stays) Withdraw(versions, entry, reason, removed);
    }
  });
}

void ModelRegistry::Withdraw(const std::string& name, std::int64_t version, const std::string& reason) {
  Change(name, [&](Versions& versions, Removed& removed) {
    Entry& entry = versions[version];
    if (!entry.known) entry.info = {.name = name, .version = fmt::to_string(version)};
    entry.known = true;
    Withdraw(versions, versions.find(version), reason, removed);
  });
}

void ModelRegistry::Withdraw(Versions& versions, Versions::iterator found, const std::string& reason,
                             Removed& removed) {
  Entry& entry = found->second;
  if (entry.model != nullptr) {
    entry.info.state = ModelState::kUnloading;
    entry.reason_once_withdrawn = reason;
    removed.push_back(std::move(entry.model));
  } else if (entry.info.state == ModelState::kUnloading) {
    entry.reason_once_withdrawn = reason;
  } else if (reason.empty()) {
    Forget(versions, found, removed);
  } else {
    entry.info.reason = reason;
  }
}

void ModelRegistry::ForgetUnavailable(const std::string& name) {
  Change(name, [&](Versions& versions, Removed& removed) {
    for (auto next = versions.begin(); next != versions.end();) {
      const auto entry = next++;
      const bool unavailable = entry->second.model == nullptr && entry->second.info.state == ModelState::kUnavailable;
      if (entry->second.known && unavailable) Forget(versions, entry, removed);
    }
  });
}

void ModelRegistry::EndWithdrawal(const ModelInfo& info) {
  Change(info.name, [&](Versions& versions, Removed& removed) {
    const auto entry = versions.find(NumberOf(info.version));
    if (entry == versions.end() || !entry->second.known) return;
    if (entry->second.info.state != ModelState::kUnloading) return;
    const std::string& reason = entry->second.reason_once_withdrawn;
    if (reason.empty()) return Forget(versions, entry, removed);
    entry->second.info = {.name = info.name,
                          .version = info.version,
                          .state = ModelState::kUnavailable,
                          .reason = reason,
                          .platform = info.platform};
  });
}

void ModelRegistry::Forget(const std::string& name, std::int64_t version) {
  Change(name, [&](Versions& versions, Removed& removed) {
    const auto entry = versions.find(version);
    if (entry != versions.end()) Forget(versions, entry, removed);
  });
}

// Forgets all of a version but that a load of it is pending.
void ModelRegistry::Forget(Versions& versions, Versions::iterator entry, Removed& removed) {
  removed.push_back(std::move(entry->second.model));
  if (entry->second.pending == 0) {
    versions.erase(entry);
    return;
  }
  entry->second = {.info = {.name = entry->second.info.name, .version = entry->second.info.version},
                   .pending = entry->second.pending};
}

bool ModelRegistry::IsServed(const std::string& name, std::int64_t version) const {
  const MutexLock lock(mutex_);
  const auto versions = models_.find(name);
  if (versions == models_.end()) return false;
  const auto entry = versions->second.find(version);
  return entry != versions->second.end() && entry->second.model != nullptr;
}

absl::StatusOr<std::shared_ptr<ServedModel>> ModelRegistry::Find(std::string_view name,
                                                                 std::string_view version) const {
  const MutexLock lock(mutex_);
  const Versions* const found = VersionsOf(name);
  if (found == nullptr) return NoModel(name);
  const Versions& versions = *found;
  if (version.empty()) {
    for (const auto& [number, entry] : Reversed(versions)) {
      if (entry.serves()) return entry.model;
    }
    const Entry* of_interest = &versions.rbegin()->second;
    for (const auto& [number, entry] : versions) {
      if (entry.pending > 0) of_interest = &entry;
    }
    return NotReady(of_interest->CurrentInfo(), /*passes=*/of_interest->model != nullptr);
  }
  const auto entry =
      std::ranges::find_if(versions, [&](const auto& each) { return each.second.info.version == version; });
  if (entry == versions.end()) {
    std::vector<std::int64_t> numbers;
    for (const auto& [number, each] : versions) numbers.push_back(number);
    const std::string known = fmt::format("{}", fmt::join(numbers, ", "));
    return MakeError(Reason::kModelNotFound,
                     fmt::format("model {} has {} {}, not {}", Quote(name),
                                 numbers.size() == 1 ? "version" : "versions", known, Quote(version)),
                     {.field = "model_version", .expected = known, .actual = Quote(version)});
  }
  if (!entry->second.serves()) {
    return NotReady(entry->second.CurrentInfo(), /*passes=*/entry->second.model != nullptr);
  }
  return entry->second.model;
}

std::vector<ModelInfo> ModelRegistry::ListLoaded() const {
  const MutexLock lock(mutex_);
  std::vector<ModelInfo> models;
  for (const auto& [name, versions] : models_) {
    for (const auto& [number, entry] : versions) models.push_back(entry.CurrentInfo());
  }
  return models;
}

std::vector<ModelInfo> ModelRegistry::List() const {
  std::vector<ModelInfo> models = ListLoaded();
  const MutexLock lock(mutex_);
  for (const auto& [name, versions] : built_in_) {
    if (models_.contains(name)) continue;
    for (const auto& [number, entry] : versions) models.push_back(entry.info);
  }
  std::ranges::stable_sort(models, {}, &ModelInfo::name);
  return models;
}

}  // namespace tensorferry::inference
