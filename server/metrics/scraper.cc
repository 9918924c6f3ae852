#include "metrics/scraper.h"

#include <prometheus/text_serializer.h>

#include "metrics/openmetrics.h"

namespace tensorferry::metrics {

std::vector<prometheus::MetricFamily> Scraper::Collect() const {
  Families families;
  for (const Source* const source : sources_) source->Collect(families);
  return families.Take();
}

std::string Scraper::Scrape(Format format) const {
  switch (format) {
    case Format::kText: return prometheus::TextSerializer().Serialize(Collect());
    case Format::kOpenMetrics: return OpenMetricsText(Collect());
  }
  return {};
}

}  // namespace tensorferry::metrics
