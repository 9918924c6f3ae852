// These tests read the words of the system's loader.
#include "inference/engine/package_library.h"

#include <gmock/gmock.h>

#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct LoaderCase {
  std::string text, says, advises;
};

TEST(LoaderError, SaysWhatToDo) {
  const std::string file = "/tmp/tensorferry-a/libraries-b/0f.so: ";
  for (const LoaderCase& one : std::vector<LoaderCase>{
           {"libmine.so: cannot open shared object file: No such file or directory", "'libmine.so'", "LD_LIBRARY_PATH"},
           {file + "undefined symbol: aoti_torch_new", "'aoti_torch_new'", "LD_PRELOAD"},
           {"/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by " + file + ")", "'GLIBCXX_3.4.32'",
            "a system like this one"},
           {file + "failed to map segment from shared object", "failed to map segment from shared object", "noexec"},
           {file + "something else", "the server's log", ""}}) {
    EXPECT_THAT(DescribeLoaderError(one.text),
                Fails(Reason::kModelNotReady, AllOf(HasSubstr(one.says), HasSubstr(one.advises), Not(HasSubstr("/")))))
        << one.text;
  }
}

}  // namespace
}  // namespace tensorferry::inference
