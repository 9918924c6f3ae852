#include "inference/repository/model_repository.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

#include "base/failure_text.h"
#include "base/start_thread.h"
#include "base/status.h"
#include "inference/repository/caught.h"

namespace tensorferry::inference {
namespace {

// kAll and kNone stand in place of the names of the models that are to be loaded.
constexpr std::string_view kAll = "*";
constexpr std::string_view kNone = "none";

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
    round->End(NoModel(name));
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

}  // namespace tensorferry::inference
