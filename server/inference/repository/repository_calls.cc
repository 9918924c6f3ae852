// What ModelRepository does for callers: it loads and unloads models as they say.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/repository/caught.h"
#include "inference/repository/model_repository.h"
#include "inference/repository/uploaded_files.h"

namespace tensorferry::inference {
namespace {

constexpr char kUnloaded[] = "unloaded";

absl::Status BuiltIn(const std::string& name) {
  return MakeError(Reason::kModelNotFound,
                   fmt::format("the model repository has not loaded model {}: it is built in", Quote(name)),
                   {.field = "model_name", .actual = Quote(name)});
}

// The call's message is there beside the overrides that were made of it.
constexpr std::size_t kCopiesOfFiles = 2;

absl::Status TooMany(std::string_view message, std::string limit) {
  return MakeError(Reason::kQueueFull, message,
                   {.limit = std::move(limit), .retry_after = std::chrono::milliseconds(1000)});
}

}  // namespace

// Place is what a caller's load or unload holds while it waits or runs.
class ModelRepository::Place {
 public:
  Place(std::atomic<int>& calls, MemoryBudget::Reservation files) : calls_(calls), files_(std::move(files)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { --calls_; }

 private:
  std::atomic<int>& calls_;
  const MemoryBudget::Reservation files_;
};

absl::StatusOr<std::shared_ptr<const ModelRepository::Place>> ModelRepository::TakePlace(
    const ModelOverrides& overrides) {
  std::size_t nbytes = 0;
  for (const auto& [path, content] : overrides.files) nbytes += kCopiesOfFiles * content.size();
  auto files = pool_.Reserve(nbytes);
  if (!files.ok() && ReasonOf(files.status()) != Reason::kMemoryBudget) return files.status();
  if (!files.ok()) {
    return TooMany("its files do not fit the server's memory budget now", fmt::to_string(pool_.budget().limit()));
  }
  if (++calls_ <= kMostCalls) return std::make_shared<const Place>(calls_, *std::move(files));
  --calls_;
  return TooMany(fmt::format("{} loads and unloads wait already", kMostCalls), fmt::to_string(kMostCalls));
}

void ModelRepository::Load(std::string name, ModelOverrides overrides, ControlCall call) {
  auto place = TakePlace(overrides);
  if (!place.ok()) return call.done(place.status());
  const auto given = std::make_shared<const ModelOverrides>(std::move(overrides));
  Post([this, name = std::move(name), given, call = std::move(call), held = *std::move(place)]() mutable {
    std::shared_ptr<PendingLoad> pending = AnnounceLoad(name, *given);
    operations_.Post(name, OperationQueue::Kind::kLoad,
                     [this, name, given, call, held = std::move(held), pending = std::move(pending)]() mutable {
                       absl::Status status = call.check();
                       if (status.ok()) status = Caught([&] { return LoadNow(name, *given); });
                       pending.reset();
                       held.reset();
                       call.done(status);
                     });
  });
}

void ModelRepository::Unload(std::string name, ControlCall call) {
  auto place = TakePlace({});
  if (!place.ok()) return call.done(place.status());
  Post([this, name = std::move(name), call = std::move(call), held = *std::move(place)]() mutable {
    operations_.Post(name, OperationQueue::Kind::kQuick, [this, name, call, held = std::move(held)]() mutable {
      absl::Status status = call.check();
      if (status.ok()) status = Caught([&] { return UnloadNow(name); });
      held.reset();
      call.done(status);
    });
  });
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
  return source ? Apply(*source, overrides.config) : NoModel(name);
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

}  // namespace tensorferry::inference
