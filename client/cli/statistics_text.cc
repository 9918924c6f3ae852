#include <fmt/format.h>

#include "cli/model_text.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

using client::BatchStatistics;
using client::CountAndTime;
using client::ModelStatistics;

// Sums is what the rows of the table are made of.
struct Sums {
  std::uint64_t requests = 0;  // Those that were answered.
  std::uint64_t failed = 0;
  std::uint64_t rows = 0;
  std::uint64_t runs = 0;
  std::chrono::nanoseconds queue{0};
  std::chrono::nanoseconds compute{0};
  std::chrono::nanoseconds total{0};

  void Add(const ModelStatistics& more) {
    requests += more.success.count;
    failed += more.fail.count;
    rows += more.inference_count;
    runs += more.execution_count;
    queue += more.queue.time;
    compute += more.compute_input.time + more.compute_infer.time + more.compute_output.time;
    total += more.success.time;
  }
};

// Writes microseconds.
std::string MeanTimeText(std::chrono::nanoseconds sum, std::uint64_t count) {
  return NumberText(Mean(static_cast<double>(sum.count()) / 1000, count));
}

std::vector<std::string> StatisticsRow(const std::string& name, const std::string& version, const Sums& sums) {
  return {name,
          version,
          fmt::to_string(sums.requests),
          fmt::to_string(sums.failed),
          NumberText(Mean(static_cast<double>(sums.rows), sums.runs)),
          MeanTimeText(sums.queue, sums.requests),
          MeanTimeText(sums.compute, sums.requests),
          MeanTimeText(sums.total, sums.requests)};
}

Json CountJson(const CountAndTime& done) { return {{"count", done.count}, {"ns", done.time.count()}}; }

}  // namespace

std::string StatisticsText(std::span<const ModelStatistics> statistics) {
  Table table({Text("model"), Text("version"), Number("requests"), Number("failed"), Number("rows/run"),
               Number("queue µs"), Number("compute µs"), Number("total µs")});
  Sums all;
  for (const ModelStatistics& each : statistics) {
    Sums sums;
    sums.Add(each);
    all.Add(each);
    table.Add(StatisticsRow(each.name, each.version, sums));
  }
  if (statistics.size() > 1) table.Add(StatisticsRow("total", "", all));
  return table.ToText(TableWidth());
}

std::string BatchesText(const ModelStatistics& statistics) {
  Table table({Number("rows/run"), Number("runs"), Number("input µs"), Number("compute µs"), Number("output µs")});
  for (const BatchStatistics& batch : statistics.batches) {
    const std::uint64_t runs = batch.compute_infer.count;
    table.Add({fmt::to_string(batch.rows), fmt::to_string(runs), MeanTimeText(batch.compute_input.time, runs),
               MeanTimeText(batch.compute_infer.time, runs), MeanTimeText(batch.compute_output.time, runs)});
  }
  return table.empty() ? "" : table.ToText(TableWidth());
}

Json StatisticsJson(const ModelStatistics& statistics) {
  const auto last = statistics.last_inference.value_or(std::chrono::system_clock::time_point{}).time_since_epoch();
  return {{"name", statistics.name},
          {"version", statistics.version},
          {"last_inference", std::chrono::duration_cast<std::chrono::milliseconds>(last).count()},
          {"inference_count", statistics.inference_count},
          {"execution_count", statistics.execution_count},
          {"inference_stats",
           {{"success", CountJson(statistics.success)},
            {"fail", CountJson(statistics.fail)},
            {"queue", CountJson(statistics.queue)},
            {"compute_input", CountJson(statistics.compute_input)},
            {"compute_infer", CountJson(statistics.compute_infer)},
            {"compute_output", CountJson(statistics.compute_output)}}},
          {"batch_stats", JsonListOf(statistics.batches, [](const BatchStatistics& batch) {
             return Json{{"batch_size", batch.rows},
                         {"compute_input", CountJson(batch.compute_input)},
                         {"compute_infer", CountJson(batch.compute_infer)},
                         {"compute_output", CountJson(batch.compute_output)}};
           })}};
}

}  // namespace tensorferry::cli
