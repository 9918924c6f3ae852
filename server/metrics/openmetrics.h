#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace tensorferry::metrics {

// Returns counters, gauges and histograms as OpenMetrics 1.0 text, which prometheus-cpp cannot write.
std::string OpenMetricsText(const std::vector<prometheus::MetricFamily>& families);

}  // namespace tensorferry::metrics
