#include "fetch/http_target.h"

#include <gtest/gtest.h>

namespace tensorferry::fetch {
namespace {

TEST(ParseHttpTarget, ReadsHostPortAndPath) {
  EXPECT_EQ(ParseHttpTarget("http://collector:4318"), (HttpTarget{.host = "collector", .port = 4318, .path = "/"}));
  EXPECT_EQ(ParseHttpTarget("http://10.0.0.1/a/b"), (HttpTarget{.host = "10.0.0.1", .port = 80, .path = "/a/b"}));
  EXPECT_EQ(ParseHttpTarget("http://[::1]:4318/v1"), (HttpTarget{.host = "::1", .port = 4318, .path = "/v1"}));
  EXPECT_EQ(ParseHttpTarget("http://[::1]"), (HttpTarget{.host = "::1", .port = 80, .path = "/"}));
  EXPECT_EQ(ParseHttpTarget("https://c/a"), (HttpTarget{.host = "c", .port = 443, .path = "/a", .tls = true}));
  EXPECT_EQ(ParseHttpTarget("https://c:4318")->port, 4318);
}

TEST(ParseHttpTarget, RefusesWhatItCannotReach) {
  for (const std::string_view url :
       {"", "collector:4318", "https:/c:4318", "https://", "HTTPS://c:1", "grpc://c:1", "http://", "http://:4318",
        "http://c:0", "http://c:99999", "http://c:1/a b", "http://user@c:1", "http://c:1/\r\nx", "http://unix:/x"}) {
    EXPECT_FALSE(ParseHttpTarget(url)) << url;
  }
}

}  // namespace
}  // namespace tensorferry::fetch
