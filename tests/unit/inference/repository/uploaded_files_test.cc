// These tests are about the files that a caller's load brings along.
#include "inference/repository/uploaded_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::UnorderedElementsAre;

std::string Read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// TMPDIR is a folder of the test's own, so that the test sees what is left behind.
class UploadedFilesTest : public testing::Test {
 protected:
  UploadedFilesTest() {
    std::string path = fs::temp_directory_path() / "uploads.XXXXXX";
    folder_ = mkdtemp(path.data());
    setenv("TMPDIR", path.c_str(), /*overwrite=*/1);
  }
  ~UploadedFilesTest() override {
    if (before_) setenv("TMPDIR", before_->c_str(), /*overwrite=*/1);
    if (!before_) unsetenv("TMPDIR");
    fs::remove_all(folder_);
  }

  bool IsEmptyAgain() const { return fs::is_empty(folder_); }

  const std::optional<std::string> before_ =
      std::getenv("TMPDIR") == nullptr ? std::nullopt : std::optional<std::string>(std::getenv("TMPDIR"));
  fs::path folder_;
};

TEST_F(UploadedFilesTest, AreAModelOfTheVersionsThatTheyName) {
  const std::string bytes("\0\xFF\n", 3);
  const auto files = UploadedFiles::Write("m", {{"1/model.pt", bytes}, {"30/model.pt2", "thirty"}});
  ASSERT_THAT(files, IsOk());
  const ModelSource& source = files->source();
  EXPECT_EQ(source.name, "m");
  EXPECT_THAT(source.problem, IsEmpty());
  ASSERT_THAT(source.versions, UnorderedElementsAre(Key(1), Key(30)));
  EXPECT_EQ(Read(source.versions.at(1).path / "model.pt"), bytes);
  EXPECT_EQ(Read(source.versions.at(30).path / "model.pt2"), "thirty");
}

TEST_F(UploadedFilesTest, LieBelowTheRootThatTheLoaderChecks) {
  const auto files = UploadedFiles::Write("m", {{"1/model.pt", "x"}});
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ(files->source().root, fs::canonical(files->source().root)) << "links are followed";
  EXPECT_EQ(files->source().folder.parent_path(), files->source().root);
}

TEST_F(UploadedFilesTest, AreGoneWithTheirOwner) {
  {
    auto files = UploadedFiles::Write("m", {{"1/model.pt", "x"}});
    ASSERT_THAT(files, IsOk());
    std::optional<UploadedFiles> owner(*std::move(files));
    EXPECT_TRUE(fs::exists(owner->source().versions.at(1).path / "model.pt")) << "it has moved";
  }
  EXPECT_TRUE(IsEmptyAgain());
}

TEST_F(UploadedFilesTest, AreOfOneUserAlone) {
  const auto files = UploadedFiles::Write("m", {{"1/model.pt", "x"}});
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ(fs::status(files->source().root).permissions() & (fs::perms::group_all | fs::perms::others_all),
            fs::perms::none);
}

class RefusedPath : public UploadedFilesTest, public testing::WithParamInterface<const char*> {};

TEST_P(RefusedPath, LeavesNothingBehind) {
  EXPECT_THAT(UploadedFiles::Write("m", {{"1/model.pt", "good"}, {GetParam(), "bad"}}),
              Fails(Reason::kModelNotReady, HasSubstr("expected VERSION/FILE, such as '1/model.pt'")));
  EXPECT_TRUE(IsEmptyAgain());
}

INSTANTIATE_TEST_SUITE_P(Paths, RefusedPath,
                         testing::Values("", "model.pt", "/model.pt", "1/", "1/..", "1/.", "../1/model.pt",
                                         "1/../../model.pt", "1/a/model.pt", "/etc/passwd", "-1/model.pt",
                                         "1.0/model.pt", "a/model.pt", "1/a b", "9999999999999999999/model.pt"));

TEST_F(UploadedFilesTest, AreRefusedForAModelWhoseNameIsAPath) {
  for (const char* const model : {"..", "../m", "a/b", "", ".hidden"}) {
    EXPECT_THAT(UploadedFiles::Write(model, {{"1/model.pt", "x"}}), Fails(Reason::kModelNotReady)) << model;
  }
  EXPECT_TRUE(IsEmptyAgain());
}

TEST_F(UploadedFilesTest, CannotBeWrittenWithoutAFolder) {
  setenv("TMPDIR", (folder_ / "gone").c_str(), /*overwrite=*/1);
  EXPECT_THAT(UploadedFiles::Write("m", {{"1/model.pt", "x"}}),
              Fails(Reason::kModelNotReady,
                    HasSubstr("the temporary folder (TMPDIR) cannot be used: No such file or directory")));
}

}  // namespace
}  // namespace tensorferry::inference
