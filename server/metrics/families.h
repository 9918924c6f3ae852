#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <utility>
#include <vector>

#include "metrics/metric.h"

namespace tensorferry::metrics {

// Labels are names and values. What is not printable in a value becomes '?' when it is added to Families: Prometheus
// refuses a whole scrape for one byte that is not UTF-8.
using Labels = std::vector<prometheus::ClientMetric::Label>;

// Families are the series of one scrape, by metric. A metric without series is there, too, with its help.
class Families {
 public:
  Families();

  // Adds a series of a counter or a gauge.
  void Add(Metric metric, Labels labels, double value);

  // Adds a series of a histogram.
  void Add(Metric metric, Labels labels, prometheus::ClientMetric::Histogram histogram);

  // Hands over the families, in the order of kMetrics.
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  prometheus::ClientMetric& AddSeries(Metric metric, Labels labels);

  std::vector<prometheus::MetricFamily> families_;
};

// Source has some of the metrics.
class Source {
 public:
  virtual ~Source() = default;

  // Adds the series as they are now. Threads: any, several at once.
  virtual void Collect(Families& families) const = 0;
};

}  // namespace tensorferry::metrics
