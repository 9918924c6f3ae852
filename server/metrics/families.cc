#include "metrics/families.h"

#include <string>
#include <utility>

#include "base/utf8.h"

namespace tensorferry::metrics {
namespace {

constexpr std::size_t kMaxLabelBytes = 1024;

}  // namespace

Families::Families() {
  families_.reserve(kMetrics.size());
  for (const MetricInfo& info : kMetrics) {
    families_.push_back(
        {.name = std::string(info.name), .help = std::string(info.help), .type = info.type, .metric = {}});
  }
}

prometheus::ClientMetric& Families::AddSeries(Metric metric, Labels labels) {
  for (auto& [name, value] : labels) value = Printable(value, kMaxLabelBytes);
  prometheus::ClientMetric& series = families_[static_cast<std::size_t>(metric)].metric.emplace_back();
  series.label = std::move(labels);
  return series;
}

void Families::Add(Metric metric, Labels labels, double value) {
  prometheus::ClientMetric& series = AddSeries(metric, std::move(labels));
  if (Info(metric).type == kCounter) {
    series.counter.value = value;
  } else {
    series.gauge.value = value;
  }
}

void Families::Add(Metric metric, Labels labels, prometheus::ClientMetric::Histogram histogram) {
  AddSeries(metric, std::move(labels)).histogram = std::move(histogram);
}

}  // namespace tensorferry::metrics
