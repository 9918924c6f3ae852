// These tests load the labels of classes from the files that configurations name.
#include <gmock/gmock.h>

#include <filesystem>
#include <string>

#include "inference/repository/model_loader.h"
#include "testing/status_matchers.h"
#include "testing/temporary_repository.h"
#include "testing/test_memory.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ModelLabelsTest : public testing::Test {
 protected:
  ModelLabelsTest() { files_.Save("m/1/model.pt", "return x, x"); }

  // Load returns the labels of the outputs.
  absl::StatusOr<std::vector<std::vector<std::string>>> Load(const std::string& first, const std::string& second = "") {
    const ModelConfig config{.outputs = {{.name = "y", .dims = {3}, .label_filename = first},
                                         {.name = "z", .dims = {3}, .label_filename = second}}};
    TENSORFERRY_ASSIGN_OR_RETURN(const auto model, LoadVersion({.name = "m",
                                                                .file = files_.root / "m/1/model.pt",
                                                                .folder = files_.root / "m",
                                                                .root = std::filesystem::canonical(files_.root)},
                                                               config, {.max_tensor_bytes = 1 << 20}, memory_.pool));
    std::vector<std::vector<std::string>> labels;
    for (const TensorSpec& output : model->info().outputs) labels.push_back(output.labels);
    return labels;
  }

  TemporaryRepository files_;
  TestMemory memory_;
};

TEST_F(ModelLabelsTest, AreTheLinesOfTheFile) {
  files_.Write("m/labels.txt", "cat\n\na dog: \xCE\xB4\nlast");
  files_.Write("m/other.txt", "one\n");
  const auto labels = Load("labels.txt", "other.txt");
  ASSERT_THAT(labels, IsOk());
  EXPECT_THAT(*labels, ElementsAre(ElementsAre("cat", "", "a dog: \xCE\xB4", "last"), ElementsAre("one")));
}

TEST_F(ModelLabelsTest, AreNoneWithoutAFileOrLines) {
  files_.Write("m/empty.txt", "");
  const auto labels = Load("", "empty.txt");
  ASSERT_THAT(labels, IsOk());
  EXPECT_THAT(*labels, ElementsAre(IsEmpty(), IsEmpty()));
}

TEST_F(ModelLabelsTest, AreOfFilesInTheModelsFolder) {
  files_.Write("labels.txt", "cat\n");
  files_.Write("m/1/labels.txt", "cat\n");
  for (const std::string name : {"../labels.txt", "1/labels.txt", "/etc/passwd", "..", "a b"}) {
    EXPECT_THAT(Load(name), Fails(Reason::kModelNotReady, HasSubstr("is no name of a file in the model's folder")))
        << name;
  }
  EXPECT_THAT(Load("missing.txt"), Fails(Reason::kModelNotReady, HasSubstr("label_filename 'missing.txt': ")));
  EXPECT_THAT(Load("1"), Fails(Reason::kModelNotReady, HasSubstr("label_filename '1': "))) << "a folder";
}

TEST_F(ModelLabelsTest, AreNotBehindLinksOutOfTheRepository) {
  const TemporaryRepository elsewhere;
  elsewhere.Write("secret.txt", "secret\n");
  std::filesystem::create_symlink(elsewhere.root / "secret.txt", files_.root / "m/out.txt");
  EXPECT_THAT(Load("out.txt"), Fails(Reason::kModelNotReady, HasSubstr("label_filename 'out.txt': ")));
  files_.Write("shared.txt", "cat\n");
  std::filesystem::create_symlink(files_.root / "shared.txt", files_.root / "m/in.txt");
  EXPECT_THAT(Load("in.txt"), IsOk()) << "within it links are followed";
}

TEST_F(ModelLabelsTest, NeedAFolder) {
  const ModelConfig config{.outputs = {{.name = "y", .dims = {3}, .label_filename = "CMakeLists.txt"}}};
  EXPECT_THAT(LoadVersion({.name = "m", .file = files_.root / "m/1/model.pt"}, config, {.max_tensor_bytes = 1 << 20},
                          memory_.pool),
              Fails(Reason::kModelNotReady, HasSubstr("no folder")));
}

}  // namespace
}  // namespace tensorferry::inference
