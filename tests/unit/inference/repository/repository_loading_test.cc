// In these tests a load waits at a gate, and other operations go on.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "testing/gate.h"
#include "testing/model_repository_test.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The gate is that of a model whose config.pbtxt is "gated", once `armed_` is set. The thread that looks
// at the files reads the configuration, too, and passes the gate.

class ModelRepositoryGate : public ModelRepositoryTest {
 protected:
  ~ModelRepositoryGate() override { gate_.Open(); }

  RepositoryOptions Gated() {
    return {.read_config = [this](std::string_view text, std::string_view) -> absl::StatusOr<ModelConfig> {
      if (armed_ && text == "gated" && std::this_thread::get_id() != looking_) gate_.Pass();
      ModelConfig config;
      if (text == "all") config.versions.kind = VersionPolicy::Kind::kAll;
      return config;
    }};
  }

  // Create makes the repository with its first look at the files, and loads nothing yet.
  void Create(RepositoryOptions options) {
    options.folder = files_.root;
    options.loader.max_tensor_bytes = 1 << 20;
    repository_.emplace(std::move(options), registry_, memory_.pool);
    std::promise<std::thread::id> looking;
    repository_->List([&](const auto&) { looking.set_value(std::this_thread::get_id()); });
    looking_ = looking.get_future().get();
    armed_ = true;
  }

  Gate gate_;
  std::thread::id looking_;  // Set before `armed_` is.
  std::atomic<bool> armed_ = false;
};

TEST_F(ModelRepositoryGate, WhatWaitsForItsTurnAtTheStartIsLoading) {
  files_.Save("first/1/model.pt", "return x + 1");
  files_.Write("first/config.pbtxt", "gated");
  for (const char* const version : {"1", "2"}) files_.Save(std::string("m/") + version + "/model.pt", "return x + 2");
  files_.Write("m/config.pbtxt", "all");
  files_.Write("n.pt", "damaged");
  files_.Save("other.pt", "return x");
  RepositoryOptions options = Gated();
  options.load = {"first", "m", "n"};
  Create(std::move(options));
  const std::vector<std::string> loading{"first:1 LOADING", "m:1 LOADING", "m:2 LOADING", "n:1 LOADING"};
  EXPECT_EQ(Listed(), loading) << "as soon as there is a repository";
  std::promise<absl::Status> done;
  repository_->LoadAtStart([&](const absl::Status& status) { done.set_value(status); });
  gate_.AwaitArrivals(1);
  EXPECT_THAT(registry_.Find("first", ""), Fails(Reason::kModelNotReady, HasSubstr("it is being loaded")));
  EXPECT_THAT(registry_.Find("other", ""), Fails(Reason::kModelNotFound)) << "it is not to be loaded";
  gate_.Open();
  ASSERT_THAT(done.get_future().get(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("first:1 READY", "m:1 READY", "m:2 READY", "n:1 UNAVAILABLE"));
  for (const ModelInfo& info : registry_.List()) {
    EXPECT_EQ(info.load_time.count() > 0, info.state == ModelState::kReady) << info.name;
  }
}

// These begin an operation, and give its outcome later.
class ModelRepositoryBeside : public ModelRepositoryGate {
 protected:
  using Outcome = std::shared_ptr<std::promise<absl::Status>>;

  void StartGated() {
    files_.Save("gated/1/model.pt", "return x + 1");
    files_.Write("gated/config.pbtxt", "gated");
    for (const char* const name : {"a.pt", "b.pt"}) files_.Save(name, "return x + 1");
    RepositoryOptions options = Gated();
    options.load = {"b"};
    Create(std::move(options));
    ASSERT_THAT(Await([&](ModelRepository::Done done) { repository_->LoadAtStart(std::move(done)); }), IsOk());
  }

  // BeginGated begins the load of `gated`, whose first look at the configuration makes it LOADING.
  std::future<absl::Status> BeginGated(const std::function<absl::Status()>& check = Waits) {
    const auto outcome = std::make_shared<std::promise<absl::Status>>();
    repository_->Load("gated", {}, {check, [outcome](const absl::Status& status) { outcome->set_value(status); }});
    return outcome->get_future();
  }

  std::future<absl::Status> BeginUnload(const std::string& name, const std::function<absl::Status()>& check = Waits) {
    const auto outcome = std::make_shared<std::promise<absl::Status>>();
    repository_->Unload(name, {check, [outcome](const absl::Status& status) { outcome->set_value(status); }});
    return outcome->get_future();
  }

  static absl::Status Waits() { return absl::OkStatus(); }
  static absl::Status Gone() { return MakeError(Reason::kCancelled, "the call was cancelled"); }
};

TEST_F(ModelRepositoryBeside, OnlySoManyLoadsAndUnloadsWait) {
  StartGated();
  auto gated = BeginGated();
  gate_.AwaitArrivals(1);
  std::vector<std::future<absl::Status>> waiting;
  for (int i = 1; i < ModelRepository::kMostCalls; ++i) waiting.push_back(BeginUnload("gated"));
  EXPECT_THAT(BeginUnload("gated").get(), Fails(Reason::kQueueFull, HasSubstr("1024 loads and unloads wait already")));
  EXPECT_THAT(Load("a"), Fails(Reason::kQueueFull));
  gate_.Open();
  EXPECT_THAT(gated.get(), IsOk());
  for (auto& each : waiting) EXPECT_THAT(each.get(), IsOk());
  EXPECT_THAT(Load("a"), IsOk());
}

TEST_F(ModelRepositoryBeside, FilesOfLoadsThatWaitAreInTheMemoryBudget) {
  StartGated();
  auto gated = BeginGated();
  gate_.AwaitArrivals(1);
  const auto begin = [&](std::size_t nbytes) {
    const auto outcome = std::make_shared<std::promise<absl::Status>>();
    repository_->Load("gated", {.config = "{}", .files = {{"1/model.pt", std::string(nbytes, 'x')}}},
                      {.done = [outcome](const absl::Status& status) { outcome->set_value(status); }});
    return outcome->get_future();
  };
  auto first = begin(3 << 20), second = begin(3 << 20);  // Each twice, of 16 MiB.
  EXPECT_EQ(memory_.budget.used(), 12u << 20);
  EXPECT_THAT(begin(3 << 20).get(), Fails(Reason::kQueueFull, HasSubstr("its files do not fit")));
  EXPECT_THAT(begin(9 << 20).get(), Fails(Reason::kTensorTooLarge));
  gate_.Open();
  EXPECT_THAT(gated.get(), IsOk());
  EXPECT_THAT(first.get(), Fails(Reason::kModelNotReady)) << "it is no model";
  EXPECT_THAT(second.get(), Fails(Reason::kModelNotReady));
  while (memory_.budget.used() > 0) std::this_thread::yield();  // The files go after their caller is told.
}

TEST_F(ModelRepositoryBeside, OtherModelsAreListedLoadedAndUnloaded) {
  StartGated();
  auto gated = BeginGated();
  gate_.AwaitArrivals(1);
  EXPECT_THAT(*Index(), ElementsAre("a", "b:1 READY", "gated:1 LOADING"));
  ASSERT_THAT(Load("a"), IsOk());
  EXPECT_EQ(Ask("a"), 2);
  ASSERT_THAT(Unload("b"), IsOk());
  EXPECT_THAT(Load("none"), Fails(Reason::kModelNotFound));
  files_.Save("b.pt", "return x + 5");
  ASSERT_THAT(Load("b"), IsOk());
  EXPECT_EQ(Ask("b"), 6);
  gate_.Open();
  ASSERT_THAT(gated.get(), IsOk());
  EXPECT_EQ(Ask("gated"), 2);
}

TEST_F(ModelRepositoryBeside, OperationsOnOneModelAreInOrder) {
  StartGated();
  auto first = BeginGated();
  auto unloaded = BeginUnload("gated");
  auto second = BeginGated();
  gate_.AwaitArrivals(1);
  EXPECT_THAT(Listed(), ElementsAre("b:1 READY", "gated:1 LOADING"));
  gate_.Open();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(unloaded.get(), IsOk());
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_EQ(Ask("gated"), 2);
  EXPECT_THAT(BeginUnload("gated").get(), IsOk());
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("b:1 READY", "gated:1 UNAVAILABLE"));
}

TEST_F(ModelRepositoryBeside, WhatNobodyWaitsForIsNotDone) {
  StartGated();
  auto first = BeginGated();
  gate_.AwaitArrivals(1);
  auto given_up = BeginUnload("gated", Gone);
  gate_.Open();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(given_up.get(), Fails(Reason::kCancelled));
  EXPECT_EQ(Ask("gated"), 2);
  ASSERT_THAT(Unload("gated"), IsOk());
  Settle();
  EXPECT_THAT(BeginGated(Gone).get(), Fails(Reason::kCancelled));
  EXPECT_THAT(Listed(), ElementsAre("b:1 READY", "gated:1 UNAVAILABLE"));
  EXPECT_THAT(registry_.Find("gated", ""), Fails(Reason::kModelNotReady, HasSubstr("unloaded"))) << "as it was before";
}

TEST_F(ModelRepositoryBeside, APolledModelIsLoadedOnceHoweverOftenItIsLookedAt) {
  files_.Save("gated/1/model.pt", "return x + 1");
  files_.Write("gated/config.pbtxt", "gated");
  Create(Gated());
  std::promise<absl::Status> started;
  repository_->LoadAtStart([&](const absl::Status& status) { started.set_value(status); });
  gate_.AwaitArrivals(1);
  files_.Save("other.pt", "return x + 2");
  ASSERT_THAT(Poll(), IsOk()) << "it does not wait for the gate";
  EXPECT_EQ(Ask("other"), 3);
  std::filesystem::remove(files_.root / "other.pt");
  ASSERT_THAT(Poll(), IsOk());
  Settle();
  EXPECT_THAT(registry_.Find("other", ""), Fails(Reason::kModelNotFound));
  gate_.Open();
  ASSERT_THAT(started.get_future().get(), IsOk());
  EXPECT_EQ(Ask("gated"), 2);
}

TEST_F(ModelRepositoryGate, ALoadingModelHasARetryDelay) {
  files_.Save("m/1/model.pt", "return x");
  Create({});
  for (const char* const version : {"", "1"}) {
    const auto model = registry_.Find("m", version);
    EXPECT_THAT(model, Fails(Reason::kModelNotReady));
    EXPECT_GT(DescribeError(model.status()).retry_after.count(), 0);
  }
  EXPECT_THAT(registry_.Find("m", "2"), Fails(Reason::kModelNotFound));
}

}  // namespace
}  // namespace tensorferry::inference
