#include "inference/repository/model_repository.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <system_error>

#include "base/start_thread.h"
#include "base/status.h"
#include "inference/engine/model_file.h"
#include "inference/engine/model_parameters.h"
#include "inference/repository/model_loader.h"
#include "inference/repository/uploaded_files.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfigBytes = 1 << 20;
constexpr char kUnloaded[] = "unloaded";

// kAll and kNone stand in place of the names of the models that are to be loaded.
constexpr std::string_view kAll = "*";
constexpr std::string_view kNone = "none";

fs::path Canonical(const fs::path& folder) {
  std::error_code error;
  const fs::path canonical = fs::canonical(folder, error);
  return error ? folder : canonical;
}

// Returns those of the existing versions that the policy wants.
absl::StatusOr<std::vector<std::int64_t>> WantedOf(const ModelSource& source, const VersionPolicy& policy) {
  std::vector<std::int64_t> all;
  for (const auto& [number, version] : source.versions) all.push_back(number);
  switch (policy.kind) {
    case VersionPolicy::Kind::kAll: return all;
    case VersionPolicy::Kind::kLatest: {
      const std::size_t count = std::min<std::size_t>(std::max(policy.latest, 1U), all.size());
      return std::vector(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
    }
    case VersionPolicy::Kind::kSpecific:
      for (const std::int64_t wanted : policy.specific) {
        if (!source.versions.contains(wanted)) {
          return MakeError(Reason::kModelNotReady,
                           fmt::format("config.pbtxt asks for version {}, which does not exist", wanted));
        }
      }
      return policy.specific;
  }
  __builtin_unreachable();
}

void LogIgnored(const std::string& name, const ModelConfig& config) {
  for (const std::string& field : config.ignored) {
    spdlog::warn("model {}: config.pbtxt: {} is not honoured", name, field);
  }
  for (const std::string& parameter : IgnoredParameters(config)) {
    spdlog::warn("model {}: config.pbtxt: parameter {} is not honoured", name, Quote(parameter));
  }
}

absl::StatusOr<std::string> TextOfConfig(const ModelSource& source) {
  if (source.config.empty()) return "";
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::Open(source.config, source.root));
  return file.Read(kMaxConfigBytes);
}

absl::Status NotFound(const std::string& name) {
  return MakeError(Reason::kModelNotFound, fmt::format("the model repository has no model {}", Quote(name)),
                   {.field = "model_name", .actual = Quote(name)});
}

}  // namespace

ModelRepository::ModelRepository(RepositoryOptions options, ModelRegistry& registry, BufferPool& pool)
    : options_(std::move(options)),
      root_(options_.folder.empty() ? fs::path() : Canonical(options_.folder)),
      registry_(registry),
      pool_(pool),
      thread_(StartThread("the model repository", [this] { RunWork(); })) {}

ModelRepository::~ModelRepository() {
  Post([this] {
    for (const auto& [name, record] : records_) {
      for (const auto& [number, stamp] : record.serving) registry_.Forget(name, number);
    }
  });
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  posted_.notify_all();
  thread_.join();
}

void ModelRepository::LoadAtStart(Done done) {
  Post([this, done = std::move(done)] { done(ApplyAll(/*settled_only=*/false)); });
}

void ModelRepository::List(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done) {
  Post([this, done = std::move(done)] {
    const auto sources = Sources();
    if (!sources.ok()) return done(sources.status());
    std::set<std::string> known;
    std::vector<RepositoryEntry> entries;
    for (const ModelInfo& info : registry_.ListLoaded()) {
      known.insert(info.name);
      entries.push_back({info.name, info.version, info.state, info.reason});
    }
    for (const auto& [name, source] : *sources) {
      if (!known.contains(name)) entries.push_back({.name = name});
    }
    std::ranges::stable_sort(entries, {}, &RepositoryEntry::name);
    done(std::move(entries));
  });
}

void ModelRepository::Load(const std::string& name, const ModelOverrides& overrides, Done done) {
  Post([this, name, overrides, done = std::move(done)] { done(LoadNow(name, overrides)); });
}

absl::Status ModelRepository::LoadNow(const std::string& name, const ModelOverrides& overrides) {
  if (!overrides.files.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(const UploadedFiles uploaded, UploadedFiles::Write(name, overrides.files));
    return Apply(uploaded.source(), overrides.config);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const auto sources, Sources());
  const auto source = sources.find(name);
  return source == sources.end() ? NotFound(name) : Apply(source->second, overrides.config);
}

void ModelRepository::Unload(const std::string& name, Done done) {
  Post([this, name, done = std::move(done)] {
    const auto record = records_.find(name);
    if (record == records_.end() || !record->second.applied) return done(NotFound(name));
    WithdrawAllBut(name, {}, kUnloaded);
    record->second.applied.reset();
    spdlog::info("model {} is unloaded", name);
    done(absl::OkStatus());
  });
}

void ModelRepository::Poll(Done done) {
  Post([this, done = std::move(done)] { done(ApplyAll(/*settled_only=*/true)); });
}

absl::StatusOr<std::map<std::string, ModelSource>> ModelRepository::Sources() {
  std::map<std::string, ModelSource> sources;
  if (!root_.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(RepositoryContent content, ScanRepository(root_));
    sources = std::move(content.models);
    for (std::string& line : content.left_out) {
      const auto [told, is_new] = left_out_.insert(std::move(line));
      if (is_new) spdlog::warn("model repository: {}: left out", *told);
    }
  }
  for (const NamedFile& file : options_.files) {
    const auto [other, is_new] = sources.try_emplace(file.name, SourceOfFile(file.name, file.file));
    if (!is_new) other->second.problem = "the repository has a model of this name, and a single file was given for it";
  }
  return sources;
}

void ModelRepository::RunWork() {
  using SteadyClock = std::chrono::steady_clock;
  const bool polls = options_.control == ModelControl::kPoll;
  SteadyClock::time_point next_poll = SteadyClock::now() + options_.poll_interval;
  const auto called = [this] { return ending_ || !work_.empty() || !retired_.empty(); };
  for (std::unique_lock lock(mutex_);;) {
    if (polls) {
      posted_.wait_until(lock, next_poll, called);
    } else {
      posted_.wait(lock, called);
    }
    if (!retired_.empty()) {
      std::unique_ptr<ServedModel> model = std::move(retired_.front());
      retired_.pop_front();
      lock.unlock();
      Destroy(std::move(model));
      lock.lock();
    } else if (!work_.empty()) {
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    } else if (ending_) {
      return;
    } else {
      lock.unlock();
      ApplyAll(/*settled_only=*/true).IgnoreError();
      lock.lock();
      next_poll = SteadyClock::now() + options_.poll_interval;
    }
  }
}

void ModelRepository::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
  }
  posted_.notify_all();
}

// The thread that releases the last handle of a model calls Retire.
void ModelRepository::Retire(std::unique_ptr<ServedModel> model) {
  {
    const std::lock_guard lock(mutex_);
    retired_.push_back(std::move(model));
  }
  posted_.notify_all();
}

void ModelRepository::Destroy(std::unique_ptr<ServedModel> model) {
  const ModelInfo info = model->info();
  model.reset();  // Waits until its executors have ended.
  auto withdrawn = records_[info.name].withdrawing.extract(std::stoll(info.version));
  if (withdrawn.empty()) return;  // A newer model of this version serves already.
  const std::string& reason = withdrawn.mapped();
  if (reason.empty()) return registry_.Forget(info.name, withdrawn.key());
  registry_.Set({.name = info.name,
                 .version = info.version,
                 .state = ModelState::kUnavailable,
                 .reason = reason,
                 .platform = info.platform});
}

bool ModelRepository::IsWanted(const std::string& name) const {
  if (std::ranges::find(options_.load, kNone) != options_.load.end()) return false;
  return std::ranges::any_of(options_.load, [&](const std::string& each) { return each == kAll || each == name; });
}

// `settled_only`: skips a model whose files have changed since the last look, because they may still be being written.
absl::Status ModelRepository::ApplyAll(bool settled_only) {
  const auto sources = Sources();
  if (!sources.ok()) {
    spdlog::error("{} {}", DescribeError(sources.status()).message, DescribeError(sources.status()).log_text);
    return sources.status();
  }
  absl::Status first;
  for (const auto& [name, source] : *sources) {
    Record& record = records_[name];
    const bool changed = record.applied != source.stamp;
    const bool settled = std::exchange(record.seen, source.stamp) == source.stamp;
    if (!IsWanted(name) || !changed || (settled_only && !settled)) continue;
    const absl::Status status = Apply(source);
    if (!settled_only && options_.strict_start && !status.ok()) return status;
    first.Update(status);
  }
  for (const std::string& name : options_.load) {
    if (name == kAll || name == kNone || sources->contains(name) || settled_only) continue;
    spdlog::error("model {} is to be loaded, but the repository has none of that name", name);
    if (options_.strict_start) return NotFound(name);
  }
  for (auto& [name, record] : records_) {
    if (!record.applied || sources->contains(name)) continue;
    spdlog::info("model {} is gone from the repository", name);
    WithdrawAllBut(name, {}, "");
    record.applied.reset();
  }
  return options_.strict_start ? first : absl::OkStatus();
}

absl::Status ModelRepository::Apply(const ModelSource& source, const std::string& overrides) {
  const absl::Status status = LoadWanted(source, overrides);
  records_[source.name].applied = source.stamp;
  return status;
}

absl::Status ModelRepository::LoadWanted(const ModelSource& source, const std::string& overrides) {
  const std::int64_t newest = source.versions.empty() ? 1 : source.versions.rbegin()->first;
  const auto fail = [&](const absl::Status& error) {
    Fail(source, newest, error);
    return error;
  };
  if (!source.problem.empty()) return fail(MakeError(Reason::kModelNotReady, source.problem));
  const auto config = ReadConfig(source, overrides);
  if (!config.ok()) return fail(config.status());
  LogIgnored(source.name, *config);
  const auto wanted = WantedOf(source, config->versions);
  if (!wanted.ok()) return fail(wanted.status());
  absl::Status first;
  for (const std::int64_t version : *wanted) {
    std::map<std::int64_t, std::string>& serving = records_[source.name].serving;
    const auto loaded = serving.find(version);
    const std::string stamp = source.versions.at(version).stamp + overrides;
    if (loaded != serving.end() && loaded->second == stamp) continue;
    const absl::Status status = LoadOne(source, *config, version);
    if (status.ok()) serving[version] = stamp;
    first.Update(status);
  }
  if (first.ok()) WithdrawAllBut(source.name, *wanted, "");
  return first;
}

absl::StatusOr<ModelConfig> ModelRepository::ReadConfig(const ModelSource& source, const std::string& overrides) const {
  if ((source.config.empty() && overrides.empty()) || !options_.read_config) return ModelConfig{};
  const auto text = TextOfConfig(source);
  if (!text.ok()) {
    const Failure failure = DescribeError(text.status());
    return MakeError(Reason::kModelNotReady, "config.pbtxt: " + failure.message, {.log_text = failure.log_text});
  }
  TENSORFERRY_ASSIGN_OR_RETURN(ModelConfig config, options_.read_config(*text, overrides));
  if (!config.name.empty() && config.name != source.name) {
    return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: the name is {}, but the folder's is {}",
                                                         Quote(config.name), Quote(source.name)));
  }
  return config;
}

absl::Status ModelRepository::LoadOne(const ModelSource& source, const ModelConfig& config, std::int64_t version) {
  registry_.Set({.name = source.name, .version = fmt::to_string(version), .state = ModelState::kLoading});
  const ModelSource::Version& from = source.versions.at(version);
  const auto load = [&]() -> absl::StatusOr<std::unique_ptr<ServedModel>> {
    TENSORFERRY_ASSIGN_OR_RETURN(const fs::path file, FileOfVersion(from.path, config));
    const auto tell = [this, name = source.name] { registry_.Tell(name); };
    return LoadVersion({source.name, version, file, source.folder, source.root, tell}, config, options_.loader, pool_);
  };
  auto model = load();
  if (!model.ok()) {
    Fail(source, version, model.status());
    return model.status();
  }
  spdlog::info("model {} version {} is ready: {}", source.name, version, (*model)->info().platform);
  records_[source.name].withdrawing.erase(version);
  registry_.Publish(version, std::shared_ptr<ServedModel>(model->release(), [this](ServedModel* last) {
                      Retire(std::unique_ptr<ServedModel>(last));
                    }));
  return absl::OkStatus();
}

void ModelRepository::Fail(const ModelSource& source, std::int64_t version, const absl::Status& error) {
  const Failure failure = DescribeError(error);
  const bool serves = records_[source.name].serving.contains(version);
  spdlog::error("model {} version {} cannot be loaded{}: {} {}", source.name, version,
                serves ? ", and goes on as it was" : "", failure.message, failure.log_text);
  if (serves) return;
  registry_.Set({.name = source.name,
                 .version = fmt::to_string(version),
                 .state = ModelState::kUnavailable,
                 .reason = failure.message});
}

// `reason` is the reason for which the versions are unavailable from then on. If it is empty, they are forgotten.
void ModelRepository::WithdrawAllBut(const std::string& name, const std::vector<std::int64_t>& wanted,
                                     const std::string& reason) {
  Record& record = records_[name];
  for (const ModelInfo& info : registry_.List()) {
    const std::int64_t version = std::stoll(info.version);
    if (info.name != name || std::ranges::find(wanted, version) != wanted.end()) continue;
    if (record.serving.erase(version) > 0) {
      record.withdrawing[version] = reason;
      registry_.Withdraw(name, version);
    } else if (info.state == ModelState::kUnavailable && reason.empty()) {
      registry_.Forget(name, version);
    } else if (info.state == ModelState::kUnavailable) {
      registry_.Set({.name = name, .version = info.version, .state = ModelState::kUnavailable, .reason = reason});
    }
  }
}

}  // namespace tensorferry::inference
