#include "base/loopback.h"

#include <gtest/gtest.h>

#include <string>

namespace tensorferry {
namespace {

TEST(Loopback, IsThisMachineAlone) {
  for (const std::string host :
       {"localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "0:0:0:0:0:0:0:1", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
}

TEST(Loopback, NoOtherHostIs) {
  for (const std::string host : {"", "[", "[]", "localhost.example", "notlocalhost", "127.0.0.1.example", "127.1",
                                 "128.0.0.1", "0.0.0.0", "::", "[::]", "::2", "[::ffff:10.0.0.1]"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
  EXPECT_FALSE(IsLoopbackHost(std::string("127.0.0.1\0.example", 18)));
}

}  // namespace
}  // namespace tensorferry
