// In these tests policy and folders agree and disagree, and models go: which versions are served, and which are listed.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "testing/model_repository_test.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
  files_.Write("m/config.pbtxt", "changed for good");
  ASSERT_THAT(Poll(), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY", "m:7 UNAVAILABLE")) << "nothing is left to go on with";
  EXPECT_EQ(Ask("m"), 2);
}

struct MissingCase {
  std::set<std::int64_t> there;
  std::vector<std::int64_t> wanted;
  std::vector<std::string> listed;
};

// Each case is the state at the start, and becomes the state after a change of the files.
TEST_F(ModelRepositoryTest, ServesThoseOfTheNamedVersionsThatAreThere) {
  std::vector<std::int64_t> wanted{1, 3, 7};
  const RepositoryOptions options{
      .read_config = [&](std::string_view, std::string_view) -> absl::StatusOr<ModelConfig> {
        return ModelConfig{.versions = {.kind = VersionPolicy::Kind::kSpecific, .specific = wanted}};
      }};
  const auto put = [&](const std::set<std::int64_t>& versions) {
    std::filesystem::remove_all(files_.root / "m");
    files_.Write("m/config.pbtxt", "");
    for (const std::int64_t version : versions) {
      files_.Save("m/" + std::to_string(version) + "/model.pt", "return x + " + std::to_string(version));
    }
  };
  put({1, 2, 3});
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:1 READY", "m:3 READY", "m:7 UNAVAILABLE"));
  EXPECT_EQ(Ask("m"), 4);
  EXPECT_THAT(registry_.Find("m", "7"), Fails(Reason::kModelNotReady, HasSubstr("asks for version 7, which does not")));
  const std::vector<MissingCase> cases{
      {{1, 3, 7}, {1, 3, 7}, {"m:1 READY", "m:3 READY", "m:7 READY"}},
      {{3}, {1, 3, 7}, {"m:1 UNAVAILABLE", "m:3 READY", "m:7 UNAVAILABLE"}},
      {{1, 2}, {1, 3, 7}, {"m:1 READY", "m:3 UNAVAILABLE", "m:7 UNAVAILABLE"}},
      {{1, 2}, {2, 2}, {"m:2 READY"}},
      {{1, 2}, {2, 9}, {"m:2 READY", "m:9 UNAVAILABLE"}},
      {{9}, {2, 9}, {"m:2 UNAVAILABLE", "m:9 READY"}},
  };
  for (const MissingCase& each : cases) {
    wanted = each.wanted;
    put(each.there);
    ASSERT_THAT(Poll(), IsOk());
    Settle();
    EXPECT_EQ(Listed(), each.listed);
  }
}

TEST_F(ModelRepositoryTest, IsNotReadyWhereNoneOfTheNamedVersionsIsThere) {
  files_.Save("m/1/model.pt", "return x");
  files_.Write("m/config.pbtxt", "");
  std::vector<std::int64_t> wanted{5, 7};
  const RepositoryOptions options{
      .read_config = [&](std::string_view, std::string_view) -> absl::StatusOr<ModelConfig> {
        return ModelConfig{.versions = {.kind = VersionPolicy::Kind::kSpecific, .specific = wanted}};
      }};
  ASSERT_THAT(Start(options), IsOk());
  EXPECT_THAT(Listed(), ElementsAre("m:5 UNAVAILABLE", "m:7 UNAVAILABLE"));
  EXPECT_THAT(registry_.Find("m", ""), Fails(Reason::kModelNotReady, HasSubstr("version 7")));
  EXPECT_THAT(Load("m"), Fails(Reason::kModelNotReady, HasSubstr("version 7")));
  wanted = {};
  EXPECT_THAT(Load("m"), Fails(Reason::kModelNotReady, HasSubstr("names no version")));
  wanted = {1};
  EXPECT_THAT(Load("m"), IsOk());
}

// --- What is gone is listed nowhere.

TEST_F(ModelRepositoryTest, ForgetsWhatCameWithALoadOnceItIsUnloaded) {
  files_.Save("kept.pt", "return x");
  files_.Save("upload/1/model.pt", "return x + 1");
  std::ifstream file(files_.root / "upload/1/model.pt", std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  std::filesystem::remove_all(files_.root / "upload");
  ASSERT_THAT(Start(), IsOk());
  const auto load = [&](const std::string& name, const std::string& bytes) {
    return Await([&](ModelRepository::Done done) {
      repository_->Load(name, {.config = "{}", .files = {{"1/model.pt", bytes}}}, {.done = std::move(done)});
    });
  };
  for (int i = 0; i < 20; ++i) {
    const std::string name = "fresh-" + std::to_string(i);
    ASSERT_THAT(load(name, content), IsOk());
    EXPECT_EQ(Ask(name), 2);
    ASSERT_THAT(Unload(name), IsOk());
    EXPECT_THAT(load("bad-" + name, "no model"), Fails(Reason::kModelNotReady));
    EXPECT_THAT(Load("none-" + name), Fails(Reason::kModelNotFound));
  }
  Settle();
  EXPECT_THAT(Listed(), ElementsAre("kept:1 READY"));
  EXPECT_THAT(*Index(), ElementsAre("kept:1 READY"));
}

TEST_F(ModelRepositoryTest, ForgetsWhatWentAfterItsUnloading) {
  for (const char* const name : {"a.pt", "b.pt", "c.pt"}) files_.Save(name, "return x");
  files_.Write("d.pt", "no model");
  ASSERT_THAT(Start(), IsOk());
  ASSERT_THAT(Unload("a"), IsOk());
  ASSERT_THAT(Unload("b"), IsOk());
  Settle();
  for (const char* const name : {"a.pt", "b.pt", "c.pt", "d.pt"}) std::filesystem::remove(files_.root / name);
  EXPECT_THAT(Load("a"), Fails(Reason::kModelNotFound));
  EXPECT_THAT(Listed(), ElementsAre("b:1 UNAVAILABLE", "c:1 READY", "d:1 UNAVAILABLE")) << "nobody has looked";
  EXPECT_THAT(*Index(), ElementsAre("c:1 READY"));
  EXPECT_THAT(Listed(), ElementsAre("c:1 READY"));
  ASSERT_THAT(Unload("c"), IsOk());
  Settle();
  EXPECT_THAT(Listed(), IsEmpty());
}

}  // namespace
}  // namespace tensorferry::inference
