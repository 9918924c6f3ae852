#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry {
namespace {

// Others build clients against these names and numbers. `make stubs` takes over a change that is meant.
TEST(Descriptor, IsTheCheckedInOne) {
  const std::string compiled = v1::ConvertRequest::descriptor()->file()->DebugString();
  if (std::getenv("TENSORFERRY_UPDATE_SNAPSHOT") != nullptr) std::ofstream(TENSORFERRY_SNAPSHOT) << compiled;
  std::stringstream snapshot;
  snapshot << std::ifstream(TENSORFERRY_SNAPSHOT).rdbuf();
  EXPECT_EQ(compiled, snapshot.str()) << "the wire format differs from " << TENSORFERRY_SNAPSHOT;
}

}  // namespace
}  // namespace tensorferry
