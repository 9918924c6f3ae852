// In these tests models come, change and go while requests hold them.
#include "inference/repository/model_repository.h"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <future>
#include <thread>

#include "base/status.h"
#include "testing/fake_model.h"
#include "testing/gate.h"
#include "testing/status_matchers.h"
#include "testing/temporary_repository.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::array kStates{"LOADING", "READY", "UNAVAILABLE", "UNLOADING"};

class ModelRepositoryTest : public testing::Test {
 protected:
  absl::Status Start(RepositoryOptions options = {}) {
    options.folder = files_.root;
    options.loader.max_tensor_bytes = 1 << 20;
    repository_.emplace(std::move(options), registry_, memory_.pool);
    return Await([&](ModelRepository::Done done) { repository_->LoadAtStart(std::move(done)); });
  }

  // Poll looks twice: a change is taken when it has not changed again.
  absl::Status Poll() {
    Await([&](ModelRepository::Done done) { repository_->Poll(std::move(done)); }).IgnoreError();
    return Await([&](ModelRepository::Done done) { repository_->Poll(std::move(done)); });
  }

  absl::Status Load(const std::string& name, const std::string& overrides = "") {
    return Await([&](ModelRepository::Done done) {
      repository_->Load(name, {.config = overrides, .files = {}}, {.done = std::move(done)});
    });
  }

  absl::Status Unload(const std::string& name) {
    return Await([&](ModelRepository::Done done) { repository_->Unload(name, {.done = std::move(done)}); });
  }

  // Index writes "m:1 READY", or "m" for what was never loaded.
  absl::StatusOr<std::vector<std::string>> Index() {
    std::promise<absl::StatusOr<std::vector<RepositoryEntry>>> done;
    repository_->List(
        [&](absl::StatusOr<std::vector<RepositoryEntry>> entries) { done.set_value(std::move(entries)); });
    TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<RepositoryEntry> entries, done.get_future().get());
    std::vector<std::string> lines;
    for (const RepositoryEntry& entry : entries) {
      lines.push_back(entry.name + (entry.version.empty() ? "" : ":" + entry.version));
      if (entry.state) lines.back() += std::string(" ") + kStates[static_cast<std::size_t>(*entry.state)];
      if (!entry.reason.empty()) lines.back() += " " + entry.reason;
    }
    return lines;
  }

  static absl::Status Await(const std::function<void(ModelRepository::Done)>& start) {
    std::promise<absl::Status> done;
    start([&](const absl::Status& status) { done.set_value(status); });
    return done.get_future().get();
  }

  // Settle waits until everything that was let go of is gone.
  void Settle() {
    for (;;) {
      Await([&](ModelRepository::Done done) {
        repository_->Load("nothing", {}, {.done = std::move(done)});
      }).IgnoreError();
      const auto models = registry_.List();
      const auto unloading = [](const ModelInfo& model) { return model.state == ModelState::kUnloading; };
      if (std::ranges::none_of(models, unloading)) return;
    }
  }

  // Listed writes "m:1 READY".
  std::vector<std::string> Listed() {
    std::vector<std::string> lines;
    for (const ModelInfo& model : registry_.List()) {
      lines.push_back(model.name + ":" + model.version + " " + kStates[static_cast<std::size_t>(model.state)]);
    }
    return lines;
  }

  // Ask returns what the model makes of a 1.
  float Ask(const std::string& name, const std::string& version = "") {
    const auto model = registry_.Find(name, version);
    EXPECT_THAT(model, IsOk());
    return model.ok() ? Ask(**model) : 0;
  }

  float Ask(ServedModel& model) {
    const float one = 1;
    Few<NamedArray> arrays;
    arrays.push_back({"x", GoodPayload(GoodHeader("<f4", {1}), std::as_bytes(std::span(&one, 1)), memory_.pool)});
    const auto response = RunOn(model, std::move(arrays));
    EXPECT_THAT(response, IsOk());
    float value = 0;
    std::memcpy(&value, response->outputs[0].elements->bytes.data(), sizeof(value));
    return value;
  }

  TemporaryRepository files_;
  TestMemory memory_;
  ModelRegistry registry_;
  std::optional<ModelRepository> repository_;
};

TEST_F(ModelRepositoryTest, ServesTheLatestVersion) {
  files_.Save("m/1/model.pt", "return x + 1");
  files_.Save("m/10/model.pt", "return x + 10");
  files_.Save("m/9/model.pt", "return x + 9");
  ASSERT_THAT(Start(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:10 READY"));
  EXPECT_EQ(Ask("m"), 11);
  EXPECT_EQ(Ask("m", "10"), 11);
  EXPECT_THAT(registry_.Find("m", "9"), Fails(Reason::kModelNotFound, HasSubstr("has version 10, not '9'")));
}

TEST_F(ModelRepositoryTest, ServesTheVersionsThatTheConfigurationWants) {
  for (const int version : {1, 2, 3}) {
    files_.Save("m/" + std::to_string(version) + "/model.pt", "return x + " + std::to_string(version));
  }
  files_.Write("m/config.pbtxt", "");
  VersionPolicy policy;
  const RepositoryOptions options{
      .read_config = [&](std::string_view, std::string_view) -> absl::StatusOr<ModelConfig> {
        return ModelConfig{.versions = policy};
      }};
  policy = {.kind = VersionPolicy::Kind::kLatest, .latest = 2};
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:2 READY", "m:3 READY"));
  policy = {.kind = VersionPolicy::Kind::kAll};
  files_.Write("m/config.pbtxt", "changed");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY", "m:2 READY", "m:3 READY"));
  policy = {.kind = VersionPolicy::Kind::kSpecific, .specific = {1}};
  files_.Write("m/config.pbtxt", "changed again");
  ASSERT_THAT(Poll(), IsOk());
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY"));
  policy = {.kind = VersionPolicy::Kind::kSpecific, .specific = {7}};
  EXPECT_EQ(Ask("m"), 2);
}

TEST_F(ModelRepositoryTest, SwapsVersionsUnderRequestsThatHoldThem) {
  files_.Save("m/1/model.pt", "return x + 1");
  ASSERT_THAT(Start(), IsOk());
  auto held = registry_.Find("m", "").value();
  files_.Save("m/2/model.pt", "return x + 2");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:1 UNLOADING", "m:2 READY"));
  EXPECT_EQ(Ask("m"), 3);
  EXPECT_EQ(Ask(*held), 2) << "the old one is there for as long as it is held";
  held.reset();
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("m:2 READY"));
}

TEST_F(ModelRepositoryTest, LoadsAReplacedFileAgain) {
  files_.Save("m.pt", "return x + 1");
  ASSERT_THAT(Start(), IsOk());
  files_.Save("m.pt", "return x + 5");
  Await([&](ModelRepository::Done done) { repository_->Poll(std::move(done)); }).IgnoreError();
  EXPECT_EQ(Ask("m"), 2) << "it may still be being written";
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_EQ(Ask("m"), 6);
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY"));
}

TEST_F(ModelRepositoryTest, GoesOnWithWhatItHasWhenTheNewFileIsDamaged) {
  files_.Save("m/1/model.pt", "return x + 1");
  ASSERT_THAT(Start(), IsOk());
  files_.Write("m/1/model.pt", "damaged");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_EQ(Ask("m"), 2);
  files_.Write("m/2/model.pt", "damaged, too");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY", "m:2 UNAVAILABLE"));
  EXPECT_EQ(Ask("m"), 2);
  files_.Save("m/2/model.pt", "return x + 2");
  ASSERT_THAT(Poll(), IsOk());
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("m:2 READY"));
}

TEST_F(ModelRepositoryTest, LetsGoOfWhatIsGone) {
  files_.Save("m.pt", "return x");
  files_.Save("n.pt", "return x");
  ASSERT_THAT(Start(), IsOk());
  std::filesystem::remove(files_.root / "m.pt");
  ASSERT_THAT(Poll(), IsOk());
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("n:1 READY"));
  EXPECT_THAT(registry_.Find("m", ""), Fails(Reason::kModelNotFound));
}

TEST_F(ModelRepositoryTest, LoadsAndUnloadsAsItIsTold) {
  files_.Save("m.pt", "return x + 1");
  ASSERT_THAT(Start({.load = {"none"}}), IsOk());
  EXPECT_THAT(Listed(), IsEmpty());
  ASSERT_THAT(Load("m"), IsOk());
  EXPECT_EQ(Ask("m"), 2);
  ASSERT_THAT(Unload("m"), IsOk());
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("m:1 UNAVAILABLE"));
  EXPECT_THAT(registry_.Find("m", ""), Fails(Reason::kModelNotReady, HasSubstr("unloaded")));
  ASSERT_THAT(Load("m"), IsOk());
  EXPECT_EQ(Ask("m"), 2);
  EXPECT_THAT(Load("other"), Fails(Reason::kModelNotFound));
  EXPECT_THAT(Unload("other"), Fails(Reason::kModelNotFound));
  files_.Write("broken.pt", "x");
  EXPECT_THAT(Load("broken"), Fails(Reason::kModelNotReady, HasSubstr("not a whole zip archive")));
}

TEST_F(ModelRepositoryTest, StartsWithWhatCanBeLoadedUnlessItIsStrict) {
  files_.Save("good.pt", "return x");
  files_.Write("broken.pt", "x");
  ASSERT_THAT(Start(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("broken:1 UNAVAILABLE", "good:1 READY"));
  repository_.reset();
  EXPECT_THAT(Start({.strict_start = true}), Fails(Reason::kModelNotReady));
  repository_.reset();
  EXPECT_THAT(Start({.load = {"good", "missing"}, .strict_start = true}), Fails(Reason::kModelNotFound));
}

TEST_F(ModelRepositoryTest, LoadsNothingWhereNoneIsToBeLoaded) {
  files_.Save("m.pt", "return x + 1");
  files_.Save("none.pt", "return x + 2");
  ASSERT_THAT(Start({.load = {"none"}}), IsOk());
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_F(ModelRepositoryTest, HidesWhatIsBuiltInForAsLongAsItHasTheName) {
  const auto engine = std::make_shared<FakeModel>([](FakeModel::Inputs inputs) { return inputs; });
  registry_.AddBuiltIn(std::make_shared<ServedModel>(engine->info(), std::vector<std::shared_ptr<Model>>{engine},
                                                     ServedModel::Options{.runner = {.max_tensor_bytes = 1 << 20}},
                                                     memory_.pool));
  ASSERT_THAT(Start(), IsOk());
  EXPECT_EQ(Ask("fake"), 1);
  files_.Write("fake/2/model.pt", "no model");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("fake:2 UNAVAILABLE"));
  files_.Save("fake/3/model.pt", "return x + 1");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_EQ(Ask("fake"), 2);
  std::filesystem::remove_all(files_.root / "fake");
  ASSERT_THAT(Poll(), IsOk());
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("fake:1 READY")) << "the one that is built in";
  EXPECT_EQ(Ask("fake", "1"), 1);
}

TEST_F(ModelRepositoryTest, TellsWhoObserves) {
  std::vector<std::pair<std::string, bool>> told;
  files_.Save("m.pt", "return x");
  ASSERT_THAT(Start(), IsOk());
  registry_.Observe([&](const std::string& name, bool ready) { told.emplace_back(name, ready); });
  EXPECT_THAT(told, ElementsAre(testing::Pair("m", true)));
  ASSERT_THAT(Unload("m"), IsOk());
  EXPECT_THAT(told.back(), testing::Pair("m", false));
  registry_.Observe(nullptr);
  const std::size_t before = told.size();
  ASSERT_THAT(Load("m"), IsOk());
  EXPECT_EQ(told.size(), before);
}

TEST_F(ModelRepositoryTest, ListsWhatLiesThereAndWhatWasLoaded) {
  files_.Save("b/1/model.pt", "return x");
  files_.Save("b/2/model.pt", "return x");
  files_.Save("a.pt", "return x");
  files_.Write("c.pt", "damaged");
  ASSERT_THAT(Start({.load = {"none"}}), IsOk());
  EXPECT_THAT(*Index(), ElementsAre("a", "b", "c")) << "nothing was loaded yet";
  ASSERT_THAT(Load("b"), IsOk());
  ASSERT_FALSE(Load("c").ok());
  const auto index = Index();
  ASSERT_THAT(index, IsOk());
  EXPECT_THAT(*index, ElementsAre("a", "b:2 READY", testing::StartsWith("c:1 UNAVAILABLE ")));
  ASSERT_THAT(Unload("b"), IsOk());
  Settle();
  EXPECT_EQ(Index()->at(1), "b:2 UNAVAILABLE unloaded");
  files_.Save("d.pt", "return x");
  std::filesystem::remove(files_.root / "a.pt");
  EXPECT_EQ(Index()->front(), "b:2 UNAVAILABLE unloaded") << "it is looked at anew";
  EXPECT_EQ(Index()->back(), "d");
  std::filesystem::remove_all(files_.root);
  EXPECT_THAT(Index(), Fails(Reason::kModelNotReady));
}

// --- Here loads wait at a gate: that of a model whose config.pbtxt is "gated",
// once `armed_` is set. The thread that looks at the files reads the
// configuration, too, and passes the gate.

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

  // Create makes the repository with its first look at the files, and loads
  // nothing yet.
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

  // BeginGated begins the load of `gated`, whose first look at the
  // configuration makes it LOADING.
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

// --- These loads override a configuration, here the number of rows of a batch.

class ModelRepositoryOverrides : public ModelRepositoryTest {
 protected:
  absl::Status StartWithConfig() {
    files_.Save("m/1/model.pt", "return x + 1");
    files_.Write("m/config.pbtxt", "2");
    files_.Save("file.pt", "return x");
    return Start({.read_config = [](std::string_view text, std::string_view overrides) -> absl::StatusOr<ModelConfig> {
      const std::string rows(overrides.empty() ? text : overrides);
      if (rows == "bad") return MakeError(Reason::kModelNotReady, "bad overrides");
      return ModelConfig{.max_batch_size = rows.empty() ? 0 : std::stoll(rows)};
    }});
  }

  const ServedModel* Model(const std::string& name = "m") { return registry_.Find(name, "").value().get(); }
  std::int64_t Rows(const std::string& name = "m") { return Model(name)->info().max_batch_size; }
};

TEST_F(ModelRepositoryOverrides, LoadAnewAndGoBackWithoutThem) {
  ASSERT_THAT(StartWithConfig(), IsOk());
  EXPECT_EQ(Rows(), 2);
  ASSERT_THAT(Load("m", "5"), IsOk());
  EXPECT_EQ(Rows(), 5);
  ASSERT_THAT(Load("m", "6"), IsOk());
  EXPECT_EQ(Rows(), 6);
  ASSERT_THAT(Load("m"), IsOk());
  EXPECT_EQ(Rows(), 2);
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("file:1 READY", "m:1 READY"));
  EXPECT_EQ(Ask("m"), 2);
}

TEST_F(ModelRepositoryOverrides, LoadNothingAnewThatIsAsItWas) {
  ASSERT_THAT(StartWithConfig(), IsOk());
  const ServedModel* const configured = Model();
  ASSERT_THAT(Load("m"), IsOk());
  EXPECT_EQ(Model(), configured);
  ASSERT_THAT(Load("m", "5"), IsOk());
  const ServedModel* const overridden = Model();
  ASSERT_THAT(Load("m", "5"), IsOk());
  EXPECT_EQ(Model(), overridden);
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_EQ(Model(), overridden) << "as long as no file changes";
}

TEST_F(ModelRepositoryOverrides, LeaveWhatServesWhereTheyAreBad) {
  ASSERT_THAT(StartWithConfig(), IsOk());
  ASSERT_THAT(Load("m", "5"), IsOk());
  EXPECT_THAT(Load("m", "bad"), Fails(Reason::kModelNotReady, "bad overrides"));
  EXPECT_EQ(Rows(), 5);
  EXPECT_THAT(Listed(), ElementsAre("file:1 READY", "m:1 READY"));
}

TEST_F(ModelRepositoryOverrides, AreOfModelsWithoutAConfigurationToo) {
  ASSERT_THAT(StartWithConfig(), IsOk());
  ASSERT_THAT(Load("file", "3"), IsOk());
  EXPECT_EQ(Rows("file"), 3);
  ASSERT_THAT(Unload("file"), IsOk());
  Settle();
  ASSERT_THAT(Load("file"), IsOk());
  EXPECT_EQ(Rows("file"), 0) << "and are gone with what was loaded";
}

}  // namespace
}  // namespace tensorferry::inference
