// In these tests models come, change and go while requests hold them.
#include "inference/repository/model_repository.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "testing/fake_model.h"
#include "testing/model_repository_test.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
  EXPECT_THAT(Unload("other"), IsOk()) << "what nobody knows is not loaded";
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY"));
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
  EXPECT_THAT(Unload("m"), IsOk()) << "it is in the repository, and not loaded";
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_F(ModelRepositoryTest, HidesWhatIsBuiltInForAsLongAsItHasTheName) {
  const auto engine = std::make_shared<FakeModel>([](FakeModel::Inputs inputs) { return inputs; });
  registry_.AddBuiltIn(std::make_shared<ServedModel>(engine->info(), std::vector<std::shared_ptr<Model>>{engine},
                                                     ServedModel::Options{.runner = {.max_tensor_bytes = 1 << 20}},
                                                     memory_.pool));
  ASSERT_THAT(Start(), IsOk());
  EXPECT_EQ(Ask("fake"), 1);
  EXPECT_THAT(Unload("fake"), Fails(Reason::kModelNotFound, HasSubstr("built in"))) << "it serves on";
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
