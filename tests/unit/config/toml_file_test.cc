#include "config/toml_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "temporary_folder.h"

namespace tensorferry::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TomlFile : public testing::Test {
 protected:
  absl::StatusOr<RawValues> Read(const std::string& content) const {
    return ReadTomlFile(folder_.Write("server.toml", content));
  }
  std::string Error(const std::string& content) const { return std::string(Read(content).status().message()); }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

TEST_F(TomlFile, TakesEachKindOfValueAsText) {
  const auto values = Read(
      "threads = 4\n"
      "max-message-bytes = \"1MiB\"\n"
      "max_tensor_bytes = \"2MiB\"\n"
      "reflection = false\n"
      "strict-start = true\n"
      "listen = [\"a:1\", \"b:2\"]\n"
      "model = \"m=f\"\n");
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_THAT(values->at("threads").texts, ElementsAre("4"));
  EXPECT_THAT(values->at("max-message-bytes").texts, ElementsAre("1MiB"));
  EXPECT_THAT(values->at("max-tensor-bytes").texts, ElementsAre("2MiB"));
  EXPECT_THAT(values->at("reflection").texts, ElementsAre("off"));
  EXPECT_THAT(values->at("strict-start").texts, ElementsAre("on"));
  EXPECT_THAT(values->at("listen").texts, ElementsAre("a:1", "b:2"));
  EXPECT_THAT(values->at("model").texts, ElementsAre("m=f"));
}

TEST_F(TomlFile, KeepsTheLine) {
  const auto values = Read("# comment\n\nthreads = 4\n");
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(values->at("threads").source, "file " + (folder().path() / "server.toml").string() + ":3");
}

TEST_F(TomlFile, MayBeEmpty) {
  const auto values = Read("");
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_THAT(*values, IsEmpty());
}

TEST_F(TomlFile, RefusesWithTheLine) {
  EXPECT_THAT(Error("\nthread = 4\n"), HasSubstr("server.toml:2: unknown key 'thread'; did you mean threads?"));
  EXPECT_THAT(Error("[server]\nthreads = 4\n"), HasSubstr("server.toml:1: unknown key 'server'; --help lists all"));
  EXPECT_THAT(Error("config = \"other.toml\"\n"), HasSubstr("unknown key 'config'"));
  EXPECT_THAT(Error("threads = 1.5\n"), HasSubstr("threads: expected a string, an integer or a boolean"));
  EXPECT_THAT(Error("threads = [4]\n"), HasSubstr("threads: expected a string, an integer or a boolean"));
  EXPECT_THAT(Error("listen = [\"a:1\", [\"b:2\"]]\n"),
              HasSubstr("listen: expected a string, an integer or a boolean, or an array"));
  EXPECT_THAT(Error("drain-delay = \"1s\"\ndrain_delay = \"2s\"\n"), HasSubstr("drain-delay is given twice"));
  EXPECT_THAT(Error("threads = 4\nthreads = 5\n"), HasSubstr("server.toml:2: "));
  EXPECT_THAT(Error("threads =\n"), HasSubstr("server.toml:1: "));
}

TEST_F(TomlFile, SaysWhyItCannotBeRead) {
  EXPECT_EQ(ReadTomlFile("/no/such.toml").status().message(),
            "cannot read file '/no/such.toml': No such file or directory");
  EXPECT_THAT(std::string(ReadTomlFile(folder().path()).status().message()), HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace tensorferry::config
