#include "inference/repository/model_repository.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/failure_text.h"
#include "base/start_thread.h"
#include "inference/repository/caught.h"
#include "inference/repository/model_loader.h"
#include "inference/repository/source_config.h"
#include "inference/repository/uploaded_files.h"
#include "inference/repository/version_choice.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

constexpr char kUnloaded[] = "unloaded";

// Models that have no handles any more are destroyed in the order in which that came to be so. kDestruction is no UTF-8,
// so that no name that a caller sends is the same: destructions would wait for that caller's load.
constexpr char kDestruction[] = "\xff";

// kAll and kNone stand in place of the names of the models that are to be loaded.
constexpr std::string_view kAll = "*";
constexpr std::string_view kNone = "none";

std::string Missing(std::int64_t version) {
  return fmt::format("config.pbtxt asks for version {}, which does not exist", version);
}

absl::Status NotFound(const std::string& name) {
  return MakeError(Reason::kModelNotFound, fmt::format("the model repository has no model {}", Quote(name)),
                   {.field = "model_name", .actual = Quote(name)});
}

absl::Status BuiltIn(const std::string& name) {
  return MakeError(Reason::kModelNotFound,
                   fmt::format("the model repository has not loaded model {}: it is built in", Quote(name)),
                   {.field = "model_name", .actual = Quote(name)});
}

}  // namespace

ModelRepository::ModelRepository(RepositoryOptions options, ModelRegistry& registry, BufferPool& pool)
    : options_(std::move(options)),
      registry_(registry),
      pool_(pool),
      files_(options_.folder, options_.files),
      at_start_(TurnsOf(/*settled_only=*/false)),
      operations_(kLoadsAtOnce),
      thread_(StartThread("the model repository", [this] { RunWork(); })) {}

ModelRepository::~ModelRepository() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  posted_.notify_all();
  thread_.join();
  operations_.AwaitIdle();
  const MutexLock lock(records_mutex_);
  for (const auto& [name, record] : records_) {
    for (const auto& [number, stamp] : record.serving) registry_.Forget(name, number);
  }
}

void ModelRepository::LoadAtStart(Done done) {
  Post([this, done = std::move(done)] { Begin(std::exchange(at_start_, Turns()), /*at_start=*/true, done); });
}

void ModelRepository::Poll(Done done, bool settled_only) {
  Post([this, done = std::move(done), settled_only] { Begin(TurnsOf(settled_only), /*at_start=*/false, done); });
}

void ModelRepository::List(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done) {
  Post([this, done = std::move(done)] {
    const auto sources = files_.All();
    if (!sources.ok()) return done(sources.status());
    std::set<std::string> known;
    std::vector<RepositoryEntry> entries;
    for (const ModelInfo& info : registry_.ListLoaded()) {
      if (!sources->contains(info.name)) registry_.ForgetUnavailable(info.name);
    }
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

void ModelRepository::Load(std::string name, ModelOverrides overrides, ControlCall call) {
  const auto given = std::make_shared<const ModelOverrides>(std::move(overrides));
  Post([this, name = std::move(name), given, call = std::move(call)] {
    std::shared_ptr<PendingLoad> pending = AnnounceLoad(name, *given);
    operations_.Post(name, OperationQueue::Kind::kLoad,
                     [this, name, given, call, pending = std::move(pending)]() mutable {
                       absl::Status status = call.check();
                       if (status.ok()) status = Caught([&] { return LoadNow(name, *given); });
                       pending.reset();
                       call.done(status);
                     });
  });
}

void ModelRepository::Unload(std::string name, ControlCall call) {
  Post([this, name = std::move(name), call = std::move(call)] {
    operations_.Post(name, OperationQueue::Kind::kQuick, [this, name, call] {
      const absl::Status waits = call.check();
      call.done(waits.ok() ? Caught([&] { return UnloadNow(name); }) : waits);
    });
  });
}

void ModelRepository::RunWork() {
  using SteadyClock = std::chrono::steady_clock;
  const bool polls = options_.control == ModelControl::kPoll;
  SteadyClock::time_point next_poll = SteadyClock::now() + options_.poll_interval;
  const auto called = [this] { return ending_ || !work_.empty(); };
  for (std::unique_lock lock(mutex_);;) {
    if (polls) {
      posted_.wait_until(lock, next_poll, called);
    } else {
      posted_.wait(lock, called);
    }
    if (!work_.empty()) {
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      LogThrown(work);
      lock.lock();
    } else if (ending_) {
      return;
    } else {
      lock.unlock();
      LogThrown([this] { Begin(TurnsOf(/*settled_only=*/true), /*at_start=*/false, [](const absl::Status&) {}); });
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

bool ModelRepository::IsWanted(const std::string& name) const {
  if (std::ranges::find(options_.load, kNone) != options_.load.end()) return false;
  return std::ranges::any_of(options_.load, [&](const std::string& each) { return each == kAll || each == name; });
}

// Returns the models that are to be loaded, all LOADING already. `settled_only`: skips a model whose files have changed
// since the last look, because they may still be being written.
absl::StatusOr<ModelRepository::Turns> ModelRepository::TurnsOf(bool settled_only) {
  TENSORFERRY_ASSIGN_OR_RETURN(const auto sources, files_.All());
  Turns turns;
  for (const auto& [name, source] : sources) {
    if (IsDue(source, settled_only)) turns.push_back({source, Announce(source)});
  }
  std::erase_if(seen_, [&](const auto& seen) { return !sources.contains(seen.first); });
  WithdrawTheGone(sources);
  return turns;
}

// Returns whether the model is to be loaded. If so, it is in `begun_` from then on.
bool ModelRepository::IsDue(const ModelSource& source, bool settled_only) {
  std::string& seen = seen_[source.name];
  const bool settled = std::exchange(seen, source.stamp) == source.stamp;
  if (!IsWanted(source.name) || (settled_only && !settled)) return false;
  const MutexLock lock(records_mutex_);
  const auto record = records_.find(source.name);
  if (record != records_.end() && record->second.applied == source.stamp) return false;
  return begun_.insert(source.name).second;
}

// Takes the models out of service that are not in the repository any more, but for those that are being loaded: the next
// look finds them.
void ModelRepository::WithdrawTheGone(const std::map<std::string, ModelSource>& sources) {
  std::vector<std::string> gone;
  {
    const MutexLock lock(records_mutex_);
    for (auto record = records_.begin(); record != records_.end();) {
      const bool stays = sources.contains(record->first) || begun_.contains(record->first);
      if (!stays) gone.push_back(record->first);
      record = stays ? std::next(record) : records_.erase(record);
    }
  }
  for (const std::string& name : gone) {
    spdlog::info("model {} is gone from the repository", name);
    registry_.WithdrawAllBut(name, {}, "");
  }
}

void ModelRepository::Begin(absl::StatusOr<Turns> turns, bool at_start, Done done) {
  if (!turns.ok()) {
    spdlog::error("{}", TextForLog(DescribeError(turns.status())));
    return done(turns.status());
  }
  const auto round = std::make_shared<RepositoryRound>(at_start && options_.strict_start, std::move(done));
  for (const std::string& name : options_.load) {
    if (!at_start || name == kAll || name == kNone || seen_.contains(name)) continue;
    spdlog::error("model {} is to be loaded, but the repository has none of that name", name);
    round->Add();
    round->End(NotFound(name));
  }
  for (Turn& turn : *turns) BeginLoad(round, std::move(turn));
  round->Began();
}

void ModelRepository::BeginLoad(const std::shared_ptr<RepositoryRound>& round, Turn turn) {
  round->Add();
  const std::string name = turn.source.name;
  const auto shared = std::make_shared<Turn>(std::move(turn));
  operations_.Post(name, OperationQueue::Kind::kLoad, [this, name, round, shared] {
    const absl::Status status = round->over() ? absl::OkStatus() : Caught([&] { return Apply(shared->source); });
    shared->pending.reset();
    {
      const MutexLock lock(records_mutex_);
      begun_.erase(name);
    }
    round->End(status);
  });
}

// Makes the versions LOADING that the model's next load is to load. What of them does not come to be then is known only
// after that.
std::unique_ptr<PendingLoad> ModelRepository::Announce(const ModelSource& source, const std::string& overrides) {
  std::vector<std::int64_t> versions;
  const auto config = ReadSourceConfig(source, overrides, options_.read_config);
  if (config.ok()) versions = ChooseVersions(source, config->versions).there;
  if (versions.empty()) versions.push_back(NewestOf(source));
  return std::make_unique<PendingLoad>(registry_, source.name, std::move(versions));
}

// Returns nothing if it is known already that there is nothing to load.
std::unique_ptr<PendingLoad> ModelRepository::AnnounceLoad(const std::string& name, const ModelOverrides& overrides) {
  if (!overrides.files.empty()) {
    const auto expected = UploadedFiles::Expected(name, overrides.files);
    return expected.ok() ? Announce(*expected, overrides.config) : nullptr;
  }
  const auto source = files_.Find(name);
  return source.ok() && *source ? Announce(**source, overrides.config) : nullptr;
}

absl::Status ModelRepository::LoadNow(const std::string& name, const ModelOverrides& overrides) {
  const absl::Status status = LoadFrom(name, overrides);
  if (!status.ok()) ForgetIfGone(name);
  return status;
}

absl::Status ModelRepository::LoadFrom(const std::string& name, const ModelOverrides& overrides) {
  if (!overrides.files.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(const UploadedFiles uploaded, UploadedFiles::Write(name, overrides.files));
    return Apply(uploaded.source(), overrides.config);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const auto source, files_.Find(name));
  return source ? Apply(*source, overrides.config) : NotFound(name);
}

// Forgets what of the model does not serve, if the repository does not have the model any more, or never had.
void ModelRepository::ForgetIfGone(const std::string& name) {
  const auto source = files_.Find(name);
  if (!source.ok() || *source) return;
  registry_.ForgetUnavailable(name);
  const MutexLock lock(records_mutex_);
  const auto record = records_.find(name);
  if (record != records_.end() && record->second.serving.empty()) records_.erase(record);
}

absl::Status ModelRepository::UnloadNow(const std::string& name) {
  bool loaded = false;
  {
    const MutexLock lock(records_mutex_);
    loaded = records_.erase(name) > 0;
  }
  if (!loaded) return registry_.Find(name, "").ok() ? BuiltIn(name) : absl::OkStatus();
  const auto source = files_.Find(name);
  const bool gone = source.ok() && !*source;
  registry_.WithdrawAllBut(name, {}, gone ? "" : kUnloaded);
  spdlog::info("model {} is unloaded", name);
  return absl::OkStatus();
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
