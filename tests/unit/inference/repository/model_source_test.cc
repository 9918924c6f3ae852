// These tests look at what lies in a repository, and open files in it.
#include "inference/repository/model_source.h"

#include <gmock/gmock.h>

#include "inference/engine/model_file.h"
#include "testing/status_matchers.h"
#include "testing/temporary_repository.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing::Not;

class ModelSourceTest : public testing::Test {
 protected:
  std::map<std::string, ModelSource> Scan() { return ScanRepository(repository_.root)->models; }

  std::vector<std::int64_t> Versions(const std::string& model) {
    const auto models = Scan();
    std::vector<std::int64_t> numbers;
    for (const auto& [number, version] : models.at(model).versions) numbers.push_back(number);
    return numbers;
  }

  TemporaryRepository repository_;
};

TEST_F(ModelSourceTest, FindsEveryLayout) {
  for (const char* const file : {"a.pt", "b.pt2", "c/model.pt", "d/1/model.pt", "d/12/model.pt2", "d/config.pbtxt",
                                 "e/7/net.pt", "notes.txt", ".hidden/model.pt", "sp ace.pt", "f/readme"}) {
    repository_.Write(file, "");
  }
  const auto models = Scan();
  std::vector<std::string> names;
  for (const auto& [name, model] : models) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("a", "b", "c", "d", "e", "f"));
  EXPECT_THAT(ScanRepository(repository_.root)->left_out,
              testing::UnorderedElementsAre(HasSubstr("'notes.txt'"), HasSubstr("'sp ace'"), HasSubstr("'readme'")));
  EXPECT_THAT(Versions("a"), testing::ElementsAre(1));
  EXPECT_THAT(Versions("c"), testing::ElementsAre(1));
  EXPECT_THAT(Versions("d"), testing::ElementsAre(1, 12));
  EXPECT_EQ(models.at("d").config.filename(), "config.pbtxt");
  EXPECT_THAT(models.at("f").problem, HasSubstr("holds no version"));
}

TEST_F(ModelSourceTest, LeavesOutFoldersThatAreNoNumbers) {
  for (const char* const folder : {"1", "01", "0", "-2", "v3", "4x", "99999999999999999999"}) {
    repository_.Write(std::string("m/") + folder + "/model.pt", "");
  }
  EXPECT_THAT(Versions("m"), testing::ElementsAre(1));
}

TEST_F(ModelSourceTest, DoesNotChooseBetweenTwoModelsOfOneName) {
  repository_.Write("m.pt", "");
  repository_.Write("m/1/model.pt", "");
  EXPECT_THAT(Scan().at("m").problem, HasSubstr("two models have this name"));
  repository_.Write("n/1/model.pt", "");
  repository_.Write("n/model.pt", "");
  EXPECT_THAT(Scan().at("n").problem, HasSubstr("both version folders and a model file"));
}

TEST_F(ModelSourceTest, StampsChangeWithTheFiles) {
  repository_.Write("m/1/model.pt", "old");
  repository_.Write("m/2/model.pt", "old");
  const ModelSource before = Scan().at("m");
  EXPECT_EQ(Scan().at("m").stamp, before.stamp);
  repository_.Write("m/2/model.pt", "newer");
  const ModelSource after = Scan().at("m");
  EXPECT_NE(after.stamp, before.stamp);
  EXPECT_EQ(after.versions.at(1).stamp, before.versions.at(1).stamp);
  EXPECT_NE(after.versions.at(2).stamp, before.versions.at(2).stamp);
  repository_.Write("m/config.pbtxt", "");
  EXPECT_NE(Scan().at("m").versions.at(1).stamp, before.versions.at(1).stamp) << "the configuration is of all";
}

TEST_F(ModelSourceTest, TakesTheFileThatTheConfigurationNames) {
  repository_.Write("m/1/model.pt", "");
  const fs::path version = repository_.root / "m/1";
  EXPECT_EQ(FileOfVersion(version, {}).value(), version / "model.pt");
  EXPECT_EQ(FileOfVersion(version, {.default_model_filename = "net.pt"}).value(), version / "net.pt");
  EXPECT_THAT(FileOfVersion(version, {.default_model_filename = "../../x.pt"}), Fails(Reason::kModelNotReady));
  repository_.Write("m/1/model.pt2", "");
  EXPECT_THAT(FileOfVersion(version, {}), Fails(Reason::kModelNotReady, HasSubstr("both model.pt and model.pt2")));
  repository_.Write("m/2/other", "");
  EXPECT_THAT(FileOfVersion(repository_.root / "m/2", {}), Fails(Reason::kModelNotReady, HasSubstr("neither")));
}

TEST_F(ModelSourceTest, SaysThatTheRepositoryCannotBeRead) {
  EXPECT_THAT(ScanRepository(repository_.root / "nowhere"),
              Fails(Reason::kModelNotReady, testing::AllOf(HasSubstr("cannot be read"), Not(HasSubstr("nowhere")))));
}

class ModelFileTest : public ModelSourceTest {};

TEST_F(ModelFileTest, IsReadThroughWhatWasOpened) {
  repository_.Write("m.pt", "first");
  const auto file = ModelFile::Open(repository_.root / "m.pt", repository_.root);
  ASSERT_THAT(file, IsOk());
  fs::remove(repository_.root / "m.pt");
  repository_.Write("m.pt", "second");
  EXPECT_EQ(file->Read(100).value(), "first");
  EXPECT_EQ(file->Sha256().value(), "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e");
  EXPECT_THAT(file->Read(4), Fails(Reason::kModelNotReady, HasSubstr("more than 4 bytes")));
}

// The hash of a million times `a` is NIST's (https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines).
TEST_F(ModelFileTest, HasTheSameHashOnWhateverThreadItIsComputed) {
  constexpr char kHash[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  repository_.Write("m.pt", std::string(1'000'000, 'a'));
  auto file = ModelFile::Open(repository_.root / "m.pt", repository_.root);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->Sha256().value(), kHash);
  file->BeginSha256();
  file->BeginSha256();
  const ModelFile moved = *std::move(file);
  EXPECT_EQ(moved.Sha256().value(), kHash);
  EXPECT_EQ(moved.Sha256().value(), kHash);
  const auto unasked = ModelFile::Open(repository_.root / "m.pt", repository_.root);
  unasked->BeginSha256();
}

TEST_F(ModelFileTest, MustBeInTheRepositoryWhateverLinksSay) {
  const TemporaryRepository elsewhere;
  elsewhere.Write("secret.pt", "");
  repository_.Write("inside.pt", "");
  fs::create_symlink(elsewhere.root / "secret.pt", repository_.root / "out.pt");
  fs::create_symlink("inside.pt", repository_.root / "in.pt");
  fs::create_directory_symlink(elsewhere.root, repository_.root / "folder");
  EXPECT_THAT(ModelFile::Open(repository_.root / "in.pt", repository_.root), IsOk());
  for (const char* const name : {"out.pt", "folder/secret.pt"}) {
    EXPECT_THAT(ModelFile::Open(repository_.root / name, repository_.root),
                Fails(Reason::kModelNotReady, HasSubstr("outside the model repository")));
  }
  EXPECT_THAT(ModelFile::Open(repository_.root / "out.pt", {}), IsOk()) << "of a single file nothing is said";
}

TEST_F(ModelFileTest, IsARegularFileThatNobodyWaitsFor) {
  const fs::path pipe = repository_.root / "pipe.pt";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(ModelFile::Open(pipe, {}), Fails(Reason::kModelNotReady, HasSubstr("not a regular file")));
  EXPECT_THAT(ModelFile::Open("/dev/null", {}), Fails(Reason::kModelNotReady, HasSubstr("not a regular file")));
  EXPECT_THAT(ModelFile::Open(repository_.root, {}), Fails(Reason::kModelNotReady));
  EXPECT_THAT(ModelFile::Open(repository_.root / "none.pt", {}),
              Fails(Reason::kModelNotReady, testing::AllOf(HasSubstr("No such file"), Not(HasSubstr("none.pt")))));
}

}  // namespace
}  // namespace tensorferry::inference
