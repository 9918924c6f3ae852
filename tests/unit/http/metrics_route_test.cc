#include "http/metrics_route.h"

#include <gtest/gtest.h>

namespace tensorferry::http {
namespace {

Request Accepting(std::string accept) {
  return {.method = "GET", .path = "/metrics", .fields = {{"Accept", std::move(accept)}}};
}

TEST(MetricsRoute, AsksForTheFormatThatIsWanted) {
  const Route route = MetricsRoute([](MetricsFormat wanted) {
    return MetricsPage{.format = wanted, .text = wanted == MetricsFormat::kText ? "text" : "open"};
  });
  const Response text = route.answer(Accepting("text/plain"));
  EXPECT_EQ(text.body, "text");
  EXPECT_EQ(text.content_type, "text/plain; version=0.0.4; charset=utf-8");
  const Response open = route.answer(Accepting("application/openmetrics-text; version=1.0.0"));
  EXPECT_EQ(open.body, "open");
  EXPECT_EQ(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST(MetricsRoute, SaysWhichFormatTheSourceHas) {
  const Route route =
      MetricsRoute([](MetricsFormat) { return MetricsPage{.format = MetricsFormat::kText, .text = "text"}; });
  EXPECT_EQ(route.answer(Accepting("application/openmetrics-text")).content_type,
            "text/plain; version=0.0.4; charset=utf-8");
}

TEST(MetricsRoute, IsNotThereWithoutASource) {
  EXPECT_EQ(MetricsRoute(nullptr).answer(Accepting("text/plain")).status, 404U);
}

}  // namespace
}  // namespace tensorferry::http
