#include "metrics/model_metrics.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/buckets.h"
#include "inference/model_statistics.h"

namespace tensorferry::metrics {
namespace {

using inference::CountAndTime;
using inference::ModelInfo;
using inference::ModelState;
using inference::ModelStatistics;

constexpr Buckets kRowBuckets{.unit = 1, .log2_step = 1, .count = 11};  // 1 to 1024.

constexpr auto kStates = std::to_array<std::pair<ModelState, const char*>>({{ModelState::kLoading, "loading"},
                                                                            {ModelState::kReady, "ready"},
                                                                            {ModelState::kUnavailable, "unavailable"},
                                                                            {ModelState::kUnloading, "unloading"}});

double Seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// VersionSeries adds the series of one version of a model.
class VersionSeries {
 public:
  VersionSeries(Families& families, const ModelInfo& info) : families_(families), info_(info) {}

  void Add(Metric metric, double value, std::string_view label = {}, std::string_view label_value = {}) {
    families_.Add(metric, LabelsWith(label, label_value), value);
  }
  void Add(Metric metric, prometheus::ClientMetric::Histogram histogram) {
    families_.Add(metric, LabelsWith({}, {}), std::move(histogram));
  }
  void AddInfo() {
    Labels labels = LabelsWith("platform", info_.platform);
    labels.push_back({"sha256", info_.sha256});
    families_.Add(Metric::kModelInfo, std::move(labels), 1);
  }

 private:
  Labels LabelsWith(std::string_view label, std::string_view value) const {
    Labels labels{{"model", info_.name}, {"version", info_.version}};
    if (!label.empty()) labels.push_back({std::string(label), std::string(value)});
    return labels;
  }

  Families& families_;
  const ModelInfo& info_;
};

prometheus::ClientMetric::Histogram RowsOfBatches(const ModelStatistics& statistics) {
  prometheus::ClientMetric::Histogram rows;
  rows.bucket.resize(kRowBuckets.count);
  for (std::size_t i = 0; i < kRowBuckets.count; ++i) {
    rows.bucket[i].upper_bound = static_cast<double>(kRowBuckets.BoundOf(i));
  }
  for (const auto& [size, batch] : statistics.batches) {
    const std::uint64_t runs = batch.compute_infer.count;
    rows.sample_count += runs;
    rows.sample_sum += static_cast<double>(size) * static_cast<double>(runs);
    for (std::size_t i = kRowBuckets.IndexOf(static_cast<std::uint64_t>(size)); i < kRowBuckets.count; ++i) {
      rows.bucket[i].cumulative_count += runs;
    }
  }
  return rows;
}

prometheus::ClientMetric::Histogram TimesOfAnswered(const ModelStatistics& statistics) {
  prometheus::ClientMetric::Histogram times;
  times.sample_count = statistics.success.count;
  times.sample_sum = Seconds(statistics.success.time);
  times.bucket.resize(kRequestTimes.count);
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < kRequestTimes.count; ++i) {
    cumulative += statistics.success_by_time[i];
    times.bucket[i].cumulative_count = cumulative;
    times.bucket[i].upper_bound = Seconds(std::chrono::nanoseconds(kRequestTimes.BoundOf(i)));
  }
  return times;
}

void AddStatistics(const ModelStatistics& statistics, VersionSeries& series) {
  const auto add_outcome = [&](const CountAndTime& requests, const char* outcome) {
    series.Add(Metric::kModelRequests, static_cast<double>(requests.count), "outcome", outcome);
    series.Add(Metric::kModelRequestSeconds, Seconds(requests.time), "outcome", outcome);
  };
  add_outcome(statistics.success, "success");
  add_outcome(statistics.fail, "failure");
  series.Add(Metric::kModelAnsweredSeconds, TimesOfAnswered(statistics));
  series.Add(Metric::kQueueDepth, static_cast<double>(statistics.waiting));
  series.Add(Metric::kModelQueueSeconds, Seconds(statistics.queue.time));
  series.Add(Metric::kModelComputeSeconds, Seconds(statistics.compute_input.time), "part", "input");
  series.Add(Metric::kModelComputeSeconds, Seconds(statistics.compute_infer.time), "part", "infer");
  series.Add(Metric::kModelComputeSeconds, Seconds(statistics.compute_output.time), "part", "output");
  series.Add(Metric::kModelInferences, static_cast<double>(statistics.inference_count));
  series.Add(Metric::kModelExecutions, static_cast<double>(statistics.execution_count));
  series.Add(Metric::kModelBatchRows, RowsOfBatches(statistics));
}

}  // namespace

void ModelMetrics::Collect(Families& families) const {
  for (const ModelInfo& info : catalog_.Models()) {
    VersionSeries series(families, info);
    series.AddInfo();
    for (const auto& [state, name] : kStates)
      series.Add(Metric::kModelState, info.state == state ? 1 : 0, "state", name);
    const auto model = catalog_.FindModel(info.name, info.version);
    if (!model.ok()) continue;  // It does not serve.
    series.Add(Metric::kModelLoadSeconds, Seconds(info.load_time));
    AddStatistics((*model)->statistics(), series);
  }
}

}  // namespace tensorferry::metrics
