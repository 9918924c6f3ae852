#include "rpc/oip/version_text.h"

#include <gmock/gmock.h>

#include <string>

#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;

TEST(CheckVersionText, TakesNoneAndNumbers) {
  for (const char* const version : {"", "0", "7", "9223372036854775807"}) {
    EXPECT_THAT(CheckVersionText(version), IsOk()) << version;
  }
}

TEST(CheckVersionText, RefusesWhatIsNoNumberInTritonsWords) {
  for (const char* const version : {"x", "1x", "1.0", " 1", "+1", " ", "9223372036854775808", "-9223372036854775809"}) {
    EXPECT_THAT(CheckVersionText(version),
                Fails(Reason::kInputMismatch,
                      HasSubstr("failed to get model version from specified version string '" + std::string(version) +
                                "' (details: stol), version should be an integral value > 0")));
  }
}

TEST(CheckVersionText, RefusesNegativeNumbersInTritonsWords) {
  EXPECT_THAT(CheckVersionText("-1"),
              Fails(Reason::kInputMismatch,
                    HasSubstr("invalid model version specified '-1' , version should be an integral value > 0")));
}

}  // namespace
}  // namespace tensorferry::rpc
