#pragma once

#include <prometheus/collectable.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "metrics/families.h"

namespace tensorferry::metrics {

enum class Format : std::uint8_t { kText, kOpenMetrics };  // Prometheus's text 0.0.4, or OpenMetrics 1.0.

// Scraper collects the metrics of several sources when somebody asks for them.
// Lifetime: borrows its sources.
// Threads:  any, several at once.
class Scraper final : public prometheus::Collectable {
 public:
  explicit Scraper(std::vector<const Source*> sources) : sources_(std::move(sources)) {}

  // Returns all metrics as they are now.
  std::string Scrape(Format format) const;

  // Returns every metric of kMetrics, in that order.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::vector<const Source*> sources_;
};

}  // namespace tensorferry::metrics
