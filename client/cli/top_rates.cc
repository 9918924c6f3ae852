#include "cli/top_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "cli/model_text.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

using client::CountAndTime;
using client::ModelStatistics;

const ModelStatistics* Find(const Look& look, const std::string& name, const std::string& version) {
  const auto found = std::ranges::find_if(
      look.statistics, [&](const ModelStatistics& each) { return each.name == name && each.version == version; });
  return found == look.statistics.end() ? nullptr : &*found;
}

double Nanoseconds(const CountAndTime& done) { return static_cast<double>(done.time.count()); }

double ComputeNanoseconds(const ModelStatistics& done) {
  return Nanoseconds(done.compute_input) + Nanoseconds(done.compute_infer) + Nanoseconds(done.compute_output);
}

// Sets what `now` has done more than `before`, within `seconds`.
void SetRates(const ModelStatistics& before, const ModelStatistics& now, double seconds, Rates& rates) {
  const std::uint64_t requests = now.success.count - before.success.count;
  rates.requests_per_s = static_cast<double>(requests) / seconds;
  rates.failures_per_s = static_cast<double>(now.fail.count - before.fail.count) / seconds;
  rates.rows_per_run = Mean(static_cast<double>(now.inference_count - before.inference_count),
                            now.execution_count - before.execution_count);
  const double queue = Nanoseconds(now.queue) - Nanoseconds(before.queue);
  rates.waiting = queue / 1e9 / seconds;  // Little's law: the arrivals per second times the mean time of each.
  rates.queue_us = Mean(queue / 1000, requests);
  rates.compute_us = Mean((ComputeNanoseconds(now) - ComputeNanoseconds(before)) / 1000, requests);
  rates.total_us = Mean((Nanoseconds(now.success) - Nanoseconds(before.success)) / 1000, requests);
}

bool WasLoadedAnew(const ModelStatistics& before, const ModelStatistics& now) {
  return now.success.count < before.success.count || now.fail.count < before.fail.count ||
         now.execution_count < before.execution_count;
}

Rates RatesOf(const Look& before, const Look& now, const client::ModelInfo& model) {
  Rates rates{.name = model.name, .version = model.version, .state = std::string(StateText(model.state))};
  const ModelStatistics* const done = Find(now, model.name, model.version);
  const double seconds = std::chrono::duration<double>(now.at - before.at).count();
  if (done == nullptr || seconds <= 0) return rates;
  const ModelStatistics* const earlier = Find(before, model.name, model.version);
  const bool has_earlier = earlier != nullptr && !WasLoadedAnew(*earlier, *done);
  SetRates(has_earlier ? *earlier : ModelStatistics{}, *done, seconds, rates);
  return rates;
}

// Returns the models of the look. Statistics are told of ready ones only.
std::vector<client::ModelInfo> ModelsOf(const Look& look) {
  if (!look.models.empty()) return look.models;
  std::vector<client::ModelInfo> models;
  for (const ModelStatistics& each : look.statistics) {
    models.push_back({.name = each.name, .version = each.version, .state = client::ModelState::kReady});
  }
  return models;
}

std::vector<std::string> RatesRow(const Rates& rates) {
  return {rates.version.empty() ? rates.name : fmt::format("{}/{}", rates.name, rates.version),
          rates.state,
          NumberText(rates.requests_per_s),
          NumberText(rates.failures_per_s),
          NumberText(rates.rows_per_run),
          NumberText(rates.waiting),
          NumberText(rates.queue_us),
          NumberText(rates.compute_us)};
}

// Returns the sums over all versions.
Rates TotalOf(const std::vector<Rates>& rates) {
  Rates total{.name = "total", .version = "", .state = ""};
  const auto add = [](double more, double& sum) {
    if (std::isfinite(more)) sum = (std::isfinite(sum) ? sum : 0) + more;
  };
  for (const Rates& each : rates) {
    add(each.requests_per_s, total.requests_per_s);
    add(each.failures_per_s, total.failures_per_s);
    add(each.waiting, total.waiting);
  }
  return total;
}

}  // namespace

std::vector<Rates> RatesBetween(const Look& before, const Look& now) {
  std::vector<Rates> rates;
  for (const client::ModelInfo& model : ModelsOf(now)) rates.push_back(RatesOf(before, now, model));
  std::ranges::stable_sort(rates, std::greater<>(), [](const Rates& each) {
    return std::isfinite(each.requests_per_s) ? each.requests_per_s + each.failures_per_s : -1.0;
  });
  return rates;
}

std::string ReadyText(const std::vector<Rates>& rates) {
  const auto ready = std::ranges::count(rates, StateText(client::ModelState::kReady), &Rates::state);
  return fmt::format("{} of {} ready", ready, rates.size());
}

std::string RatesText(const std::vector<Rates>& rates, std::size_t rows) {
  Table table({Text("model"), Text("state"), Number("req/s"), Number("fail/s"), Number("rows/run"), Number("waiting"),
               Number("queue µs"), Number("run µs")});
  const std::size_t shown = std::min(rows, rates.size());
  for (std::size_t i = 0; i < shown; ++i) table.Add(RatesRow(rates[i]));
  table.Add(RatesRow(TotalOf(rates)));
  return table.ToText(0) + (shown < rates.size() ? fmt::format("and {} more\n", rates.size() - shown) : "");
}

Json RatesJson(const std::vector<Rates>& rates) {
  return JsonListOf(rates, [](const Rates& each) {
    return Json{{"name", each.name},
                {"version", each.version},
                {"state", each.state},
                {"requests_per_s", NumberJson(each.requests_per_s)},
                {"failures_per_s", NumberJson(each.failures_per_s)},
                {"rows_per_run", NumberJson(each.rows_per_run)},
                {"waiting", NumberJson(each.waiting)},
                {"queue_us", NumberJson(each.queue_us)},
                {"compute_us", NumberJson(each.compute_us)},
                {"total_us", NumberJson(each.total_us)}};
  });
}

}  // namespace tensorferry::cli
