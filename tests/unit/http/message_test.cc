#include "http/message.h"

#include <gmock/gmock.h>

namespace tensorferry::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PathOf, IsTheTargetWithoutHostAndQuery) {
  EXPECT_EQ(PathOf("/livez"), "/livez");
  EXPECT_EQ(PathOf("/"), "/");
  EXPECT_EQ(PathOf("/livez?verbose=1&x=http://a/b"), "/livez");
  EXPECT_EQ(PathOf("http://host:1/livez?verbose"), "/livez");
  EXPECT_EQ(PathOf("http://host"), "/");
  EXPECT_EQ(PathOf("/a/../livez"), "/a/../livez");
}

TEST(PathOf, IsEmptyForWhatIsNoPath) {
  for (const char* const target : {"", "*", "host:443", "livez", "?a"}) EXPECT_EQ(PathOf(target), "") << target;
}

TEST(Request, FindsFieldsInEitherCase) {
  const Request request{.fields = {{"Accept", "a"}, {"X", "b"}, {"aCCEPT", "c"}}};
  EXPECT_THAT(request.Values("accept"), ElementsAre("a", "c"));
  EXPECT_THAT(request.Values("host"), IsEmpty());
}

}  // namespace
}  // namespace tensorferry::http
