#include "cli/overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>

#include "base/text.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

// Sample is a line of /metrics. `labels` is what stands between its braces.
struct Sample {
  std::string_view name;
  std::string_view labels;
  double value = 0;
};

std::optional<Sample> SampleIn(std::string_view line) {
  const std::size_t name_end = line.find_first_of("{ ");
  const std::size_t blank = line.rfind(' ');
  if (line.starts_with('#') || name_end == std::string_view::npos || blank < name_end) return std::nullopt;
  Sample sample{.name = line.substr(0, name_end)};
  if (line[name_end] == '{') sample.labels = line.substr(name_end + 1, blank - name_end - 1);
  sample.value = std::strtod(std::string(line.substr(blank + 1)).c_str(), nullptr);
  return sample;
}

// Returns the value of a label, whose values have no quotes. Of models, which may be named with some, nothing is read.
std::string LabelOf(const Sample& sample, std::string_view label) {
  const std::string begin = fmt::format("{}=\"", label);
  std::size_t found = sample.labels.find(begin);
  while (found != std::string_view::npos && found > 0 && sample.labels[found - 1] != ',') {
    found = sample.labels.find(begin, found + 1);
  }
  if (found == std::string_view::npos) return {};
  const std::string_view rest = sample.labels.substr(found + begin.size());
  return std::string(rest.substr(0, rest.find('"')));
}

bool BringsArrays(std::string_view method) { return method.starts_with("Convert") || method.ends_with("Infer"); }

void TakeSample(const Sample& sample, Figures& figures) {
  if (sample.name == "grpc_server_handling_seconds_bucket") {
    if (!BringsArrays(LabelOf(sample, "grpc_method"))) return;
    figures.answered[std::strtod(LabelOf(sample, "le").c_str(), nullptr)] += sample.value;  // "+Inf" is a number, too.
  } else if (sample.name == "tensorferry_rejected_total") {
    figures.refused[LabelOf(sample, "reason")] += sample.value;
  } else if (sample.name == "tensorferry_queue_depth") {
    figures.waiting += sample.value;
  } else if (sample.name == "tensorferry_inflight_requests") {
    figures.in_flight = sample.value;
  } else if (sample.name == "tensorferry_inflight_bytes") {
    figures.memory = sample.value;
  } else if (sample.name == "tensorferry_budget_bytes") {
    figures.budget = sample.value;
  }
}

double CountOf(const Figures& figures) { return figures.answered.empty() ? 0 : figures.answered.rbegin()->second; }

// Returns what `now` has more than `before`.
template <typename Key>
std::map<Key, double> Since(const std::map<Key, double>& before, std::map<Key, double> now) {
  for (auto& [key, count] : now) {
    const auto earlier = before.find(key);
    if (earlier != before.end()) count -= earlier->second;
  }
  return now;
}

bool HasBegunAnew(const Figures& before, const Figures& now) {
  const auto fell = [&](const auto& entry) {
    const auto later = now.refused.find(entry.first);
    return later == now.refused.end() || later->second < entry.second;
  };
  return CountOf(now) < CountOf(before) || std::ranges::any_of(before.refused, fell);
}

std::string SecondsText(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

std::string BytesText(double nbytes) {
  constexpr auto kUnits = std::to_array<std::string_view>({"B", "KiB", "MiB", "GiB", "TiB"});
  std::size_t unit = 0;
  for (; nbytes >= 1024 && unit + 1 < kUnits.size(); ++unit) nbytes /= 1024;
  return fmt::format("{:.{}f} {}", nbytes, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string RefusedText(const Overview& overview) {
  constexpr std::size_t kMost = 2;  // Of the longest names, so many fit 80 columns.
  if (overview.refused_per_s.empty()) return "refused/s: none";
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, overview.refused_per_s.size()); ++i) {
    const auto& [reason, rate] = overview.refused_per_s[i];
    text += fmt::format("{} {} {}", text.empty() ? "refused/s:" : ",", OneLine(reason), NumberText(rate));
  }
  const std::size_t more = overview.refused_per_s.size() - std::min(kMost, overview.refused_per_s.size());
  return more > 0 ? fmt::format("{}, {} more", text, more) : text;
}

}  // namespace

absl::StatusOr<Figures> FiguresIn(std::string_view metrics) {
  Figures figures;
  while (!metrics.empty()) {
    const std::size_t end = std::min(metrics.find('\n'), metrics.size());
    if (const auto sample = SampleIn(metrics.substr(0, end))) TakeSample(*sample, figures);
    metrics.remove_prefix(std::min(end + 1, metrics.size()));
  }
  if (figures.budget > 0 && !figures.answered.empty()) return figures;
  return absl::InvalidArgumentError("the answer is not what a tensorferry server says at /metrics");
}

double QuantileOf(const std::map<double, double>& answered, double share) {
  const double count = answered.empty() ? 0 : answered.rbegin()->second;
  if (!(count > 0)) return std::numeric_limits<double>::quiet_NaN();  // What is no number can be said, too.
  const double rank = share * count;
  const auto bucket = std::ranges::find_if(answered, [&](const auto& upto) { return upto.second >= rank; });
  const bool is_first = bucket == answered.begin();
  const double from = is_first ? 0 : std::prev(bucket)->first;
  const double below = is_first ? 0 : std::prev(bucket)->second;
  if (!std::isfinite(bucket->first)) return from;
  return from + (bucket->first - from) * (rank - below) / (bucket->second - below);
}

Overview OverviewBetween(const Figures& before, const Figures& now, double seconds) {
  const Figures none;
  const Figures& earlier = HasBegunAnew(before, now) ? none : before;
  const std::map<double, double> answered = Since(earlier.answered, now.answered);
  const double per_s = seconds > 0 ? 1 / seconds : 0;
  Overview overview{.requests_per_s = (CountOf(now) - CountOf(earlier)) * per_s,
                    .p50_s = QuantileOf(answered, 0.5),
                    .p99_s = QuantileOf(answered, 0.99),
                    .refused_per_s = {},
                    .now = now};
  for (const auto& [reason, count] : Since(earlier.refused, now.refused)) {
    if (count > 0) overview.refused_per_s.emplace_back(reason, count * per_s);
  }
  std::ranges::stable_sort(overview.refused_per_s, std::greater<>(), &std::pair<std::string, double>::second);
  return overview;
}

std::string OverviewText(const Overview& overview) {
  return fmt::format("{} req/s, p50 {}, p99 {}; {:.0f} in flight, {:.0f} waiting\nmemory: {} of {}\n{}\n",
                     NumberText(overview.requests_per_s), SecondsText(overview.p50_s), SecondsText(overview.p99_s),
                     overview.now.in_flight, overview.now.waiting, BytesText(overview.now.memory),
                     BytesText(overview.now.budget), RefusedText(overview));
}

Json NumberJson(double number) { return std::isfinite(number) ? Json(number) : Json(); }

Json OverviewJson(const Overview& overview) {
  Json refused = Json::object();
  for (const auto& [reason, rate] : overview.refused_per_s) refused[reason] = rate;
  return {{"requests_per_s", overview.requests_per_s},
          {"p50_us", NumberJson(overview.p50_s * 1e6)},
          {"p99_us", NumberJson(overview.p99_s * 1e6)},
          {"in_flight", overview.now.in_flight},
          {"waiting", overview.now.waiting},
          {"memory_bytes", overview.now.memory},
          {"budget_bytes", overview.now.budget},
          {"refused_per_s", std::move(refused)}};
}

}  // namespace tensorferry::cli
