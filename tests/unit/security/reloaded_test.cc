#include "security/reloaded.h"

#include <gmock/gmock.h>

#include <string>

#include "testing/captured_log.h"
#include "testing/status_matchers.h"

namespace tensorferry::security {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReloadedText : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Reloaded<std::string>>> Load() {
    return Reloaded<std::string>::Load({.name = "text",
                                        .read = [this] { return file_; },
                                        .check = [](const std::string& text) { return Check(text); },
                                        .describe = [](const std::string& text) { return "<" + text + ">"; }});
  }

  static absl::Status Check(const std::string& text) {
    return text.starts_with("bad") ? absl::InvalidArgumentError(text + " cannot be used") : absl::OkStatus();
  }

  CapturedLog log_;
  absl::StatusOr<std::string> file_ = "first";
};

TEST_F(ReloadedText, IsWhatTheFileHolds) {
  const auto text = Load().value();
  EXPECT_EQ(*text->Get(), "first");
  file_ = "second";
  EXPECT_EQ(*text->Get(), "first");
  text->Reload();
  EXPECT_EQ(*text->Get(), "second");
  EXPECT_THAT(log_.Take(), ElementsAre("text: <first>", "text: reloaded: <second>"));
}

TEST_F(ReloadedText, StaysTheSameObjectWhileTheFileIsTheSame) {
  const auto text = Load().value();
  const auto before = text->Get();
  text->Reload();
  EXPECT_EQ(text->Get(), before);
  EXPECT_THAT(log_.Take(), ElementsAre("text: <first>"));
}

TEST_F(ReloadedText, StaysWhenTheFileCannotBeUsed) {
  const auto text = Load().value();
  for (const absl::StatusOr<std::string>& wrong :
       {absl::StatusOr<std::string>("bad 1"), absl::StatusOr<std::string>(absl::NotFoundError("no file"))}) {
    file_ = wrong;
    text->Reload();
    EXPECT_EQ(*text->Get(), "first");
  }
}

TEST_F(ReloadedText, IsReportedOnceForEachProblem) {
  const auto text = Load().value();
  log_.Take();
  const auto reload = [&](const std::string& content) {
    file_ = content;
    text->Reload();
    return log_.Take();
  };
  const std::string prefix = "text: not reloaded, and what was read before stays in use: ";
  EXPECT_THAT(reload("bad 1"), ElementsAre(prefix + "bad 1 cannot be used"));
  EXPECT_THAT(reload("bad 1"), IsEmpty());
  EXPECT_THAT(reload("bad 2"), ElementsAre(prefix + "bad 2 cannot be used"));
  EXPECT_THAT(reload("first"), IsEmpty());
  EXPECT_THAT(reload("bad 2"), ElementsAre(prefix + "bad 2 cannot be used")) << "it was good in between";
  EXPECT_EQ(text->failures(), 3u);
}

TEST_F(ReloadedText, CannotBeginWithWhatCannotBeUsed) {
  file_ = "bad 1";
  EXPECT_EQ(Load().status().message(), "bad 1 cannot be used");
  file_ = absl::NotFoundError("no file");
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tensorferry::security
