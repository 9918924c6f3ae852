#include "http/media_type.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace tensorferry::http {
namespace {

constexpr auto kOffered = std::to_array<MediaType>({
    {.type = "text/plain", .parameter = "version=0.0.4"},
    {.type = "application/openmetrics-text", .parameter = "version=1.0.0"},
});

struct AcceptCase {
  std::string accept;
  std::size_t chosen;
};

TEST(ChooseMediaType, FollowsTheQualityOfTheMostExactRange) {
  const std::vector<AcceptCase> cases = {
      {"", 0},
      {"*/*", 0},
      {"text/plain", 0},
      {"application/openmetrics-text", 1},
      {"APPLICATION/OpenMetrics-Text", 1},
      {"application/*", 1},
      {"image/png", 0},
      {"application/openmetrics-text;version=0.0.1", 0},
      {"application/openmetrics-text; version=1.0.0, text/plain;q=0.5", 1},
      {"text/plain;q=0.5,application/openmetrics-text;q=0.4", 0},
      {"text/plain;q=0.4 , application/openmetrics-text ; q=0.5", 1},
      {"*/*;q=0.9,application/openmetrics-text;q=0.1", 0},
      {"*/*,text/plain;q=0", 1},
      {"application/openmetrics-text;q=x,text/*;q=0.1", 0},
      // What Prometheus 2.42 sends.
      {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
       "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       1},
      {",,;,;q=,=;", 0},
  };
  for (const auto& [accept, chosen] : cases) EXPECT_EQ(ChooseMediaType(accept, kOffered), chosen) << accept;
}

}  // namespace
}  // namespace tensorferry::http
