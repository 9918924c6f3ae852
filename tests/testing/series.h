#pragma once

#include <prometheus/metric_family.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/families.h"

namespace tensorferry {

// Returns the series of a metric that has these labels, in any order; null if there is none.
inline const prometheus::ClientMetric* FindSeries(const std::vector<prometheus::MetricFamily>& families,
                                                  std::string_view name, metrics::Labels labels) {
  std::sort(labels.begin(), labels.end());
  for (const prometheus::MetricFamily& family : families) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& series : family.metric) {
      metrics::Labels its = series.label;
      std::sort(its.begin(), its.end());
      if (its == labels) return &series;
    }
  }
  return nullptr;
}

// Returns the value of a counter or gauge; nothing if there is no such series.
inline std::optional<double> ValueOf(const std::vector<prometheus::MetricFamily>& families, std::string_view name,
                                     metrics::Labels labels) {
  const auto* const series = FindSeries(families, name, std::move(labels));
  if (series == nullptr) return std::nullopt;
  return series->counter.value + series->gauge.value;  // One of them is 0.
}

// Collects what one source has.
inline std::vector<prometheus::MetricFamily> FamiliesOf(const metrics::Source& source) {
  metrics::Families families;
  source.Collect(families);
  return families.Take();
}

}  // namespace tensorferry
