#include "base/nearest.h"

#include <gtest/gtest.h>

namespace tensorferry {
namespace {

TEST(Nearest, IsTheOneWithTheFewestEdits) {
  EXPECT_EQ(Nearest("thread", {"listen", "threads", "model-threads"}), "threads");
  EXPECT_EQ(Nearest("lisetn", {"model", "listen", "config"}), "listen");
  EXPECT_EQ(Nearest("log-lvel", {"log-format", "log-level"}), "log-level");
  EXPECT_EQ(Nearest("", {"longer", "ab"}), "ab");
}

}  // namespace
}  // namespace tensorferry
