#include "metrics/scraper.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "metrics/values.h"
#include "testing/series.h"

namespace tensorferry::metrics {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class ScraperTest : public testing::Test {
 protected:
  ScraperTest() {
    values_.Add(Metric::kReady, {}, [this] { return ready_; });
    values_.Add(Metric::kReloadFailures, {{"kind", "tls"}}, [] { return 2; });
    others_.Add(Metric::kReloadFailures, {{"kind", "tokens"}}, [] { return 3; });
  }

  double ready_ = 0;
  Values values_, others_;
  Scraper scraper_{{&values_, &others_}};
};

TEST_F(ScraperTest, ReadsEveryValueAnew) {
  EXPECT_EQ(ValueOf(scraper_.Collect(), "tensorferry_ready", {}), 0);
  ready_ = 1;
  EXPECT_EQ(ValueOf(scraper_.Collect(), "tensorferry_ready", {}), 1);
}

TEST_F(ScraperTest, PutsTheSeriesOfOneMetricTogether) {
  const std::string text = scraper_.Scrape(Format::kText);
  EXPECT_THAT(text, HasSubstr("# TYPE tensorferry_credentials_reload_failures_total counter\n"
                              "tensorferry_credentials_reload_failures_total{kind=\"tls\"} 2\n"
                              "tensorferry_credentials_reload_failures_total{kind=\"tokens\"} 3\n#"));
  EXPECT_THAT(text, Not(HasSubstr("# EOF")));
}

TEST_F(ScraperTest, WritesOpenMetrics) {
  const std::string text = scraper_.Scrape(Format::kOpenMetrics);
  EXPECT_THAT(text, HasSubstr("tensorferry_credentials_reload_failures_total{kind=\"tls\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE tensorferry_credentials_reload_failures counter\n"));
  EXPECT_THAT(text, EndsWith("# EOF\n"));
}

TEST_F(ScraperTest, HasTheHelpOfEveryMetric) {
  std::set<std::string> names;
  for (const prometheus::MetricFamily& family : scraper_.Collect()) {
    names.insert(family.name);
    EXPECT_THAT(family.help, EndsWith("."));
  }
  EXPECT_EQ(names.size(), kMetrics.size());
}

}  // namespace
}  // namespace tensorferry::metrics
