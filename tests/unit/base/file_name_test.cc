#include "base/file_name.h"

#include <gmock/gmock.h>

#include <string>

namespace tensorferry {
namespace {

TEST(PlainFileName, HasNothingThatAPathIsMadeOf) {
  for (const std::string& name :
       {std::string("a"), std::string("A-b_c.9"), std::string("..a"), std::string(kMaxFileNameBytes, 'x')}) {
    EXPECT_TRUE(IsPlainFileName(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("..."), std::string("a/b"), std::string("/"),
        std::string("../a"), std::string("a\\b"), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\xC3\xA9"), std::string(kMaxFileNameBytes + 1, 'x')}) {
    EXPECT_FALSE(IsPlainFileName(name)) << name;
  }
}

}  // namespace
}  // namespace tensorferry
