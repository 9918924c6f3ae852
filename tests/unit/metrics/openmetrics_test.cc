#include "metrics/openmetrics.h"

#include <gmock/gmock.h>

namespace tensorferry::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using testing::HasSubstr;

// A parser that is not ours reads whole scrapes in tests/integration/test_metrics.py.
TEST(OpenMetrics, HasTheSuffixOfCountersInTheirSamplesAlone) {
  ClientMetric series;
  series.label = {{"kind", "a\"b\\c\nd"}};
  series.counter.value = 3;
  EXPECT_EQ(OpenMetricsText(
                {{.name = "spent_seconds_total", .help = "Time.", .type = MetricType::Counter, .metric = {series}}}),
            "# TYPE spent_seconds counter\n# UNIT spent_seconds seconds\n# HELP spent_seconds Time.\n"
            "spent_seconds_total{kind=\"a\\\"b\\\\c\\nd\"} 3\n# EOF\n");
}

TEST(OpenMetrics, EndsWithoutSeriesToo) { EXPECT_EQ(OpenMetricsText({}), "# EOF\n"); }

TEST(OpenMetrics, WritesBoundsInTheirCanonicalForm) {
  ClientMetric series;
  series.histogram = {.sample_count = 7,
                      .sample_sum = 2.5,
                      .bucket = {{1, 2.5e-05}, {2, 0.25}, {3, 1}, {4, 1024}, {5, 1048576}, {6, 4294967296}}};
  const std::string text =
      OpenMetricsText({{.name = "size_bytes", .help = "Size.", .type = MetricType::Histogram, .metric = {series}}});
  for (const char* const line :
       {"size_bytes_bucket{le=\"2.5e-05\"} 1\n", "size_bytes_bucket{le=\"0.25\"} 2\n",
        "size_bytes_bucket{le=\"1.0\"} 3\n", "size_bytes_bucket{le=\"1024.0\"} 4\n",
        "size_bytes_bucket{le=\"1.048576e+06\"} 5\n", "size_bytes_bucket{le=\"4.294967296e+09\"} 6\n",
        "size_bytes_bucket{le=\"+Inf\"} 7\n", "size_bytes_count 7\n", "size_bytes_sum 2.5\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace tensorferry::metrics
