#include "base/nearest.h"

#include <gtest/gtest.h>

namespace tensorferry {
namespace {

TEST(Nearest, IsTheOneWithTheFewestEdits) {
  EXPECT_EQ(Nearest("thread", {"listen", "threads", "model-threads"}), "threads");
  EXPECT_EQ(Nearest("lisetn", {"model", "listen", "config"}), "listen");
  EXPECT_EQ(Nearest("modle", {"listen", "model"}), "model") << "two neighbours exchanged are one edit";
  EXPECT_EQ(Nearest("log-lvel", {"log-format", "log-level"}), "log-level");
  EXPECT_EQ(Nearest("ab", {"longer", "abc"}), "abc") << "one edit in three characters";
}

TEST(Nearest, IsNothingWhereNoneIsNear) {
  EXPECT_EQ(Nearest("foo", {"config", "model", "threads"}), std::nullopt);
  EXPECT_EQ(Nearest("", {"longer", "ab"}), std::nullopt);
  EXPECT_EQ(Nearest("threads", {}), std::nullopt);
}

}  // namespace
}  // namespace tensorferry
