#include "metrics/openmetrics.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

namespace tensorferry::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";

// Returns the name without the suffix of a counter, which only its samples have.
std::string_view FamilyName(const MetricFamily& family) {
  std::string_view name = family.name;
  if (family.type == MetricType::Counter && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  return name;
}

std::string_view UnitOf(std::string_view name) {
  for (const std::string_view unit : {"seconds", "bytes"}) {
    if (name.ends_with(unit)) return unit;
  }
  return {};
}

std::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::Counter: return "counter";
    case MetricType::Gauge: return "gauge";
    case MetricType::Histogram: return "histogram";
    case MetricType::Summary: return "summary";
    case MetricType::Untyped: return "unknown";
  }
  return "unknown";
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\\': escaped += "\\\\"; break;
      case '"': escaped += "\\\""; break;
      case '\n': escaped += "\\n"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

// Returns a bound in the canonical form of the format: as Go writes it, and never without point and exponent.
std::string BoundText(double bound) {
  constexpr double kExponentFrom = 1e6;
  std::string text = fmt::format("{}", bound);
  if (bound < kExponentFrom) return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  if (text.find('e') != std::string::npos) return text;
  const int exponent = static_cast<int>(text.substr(0, text.find('.')).size()) - 1;
  std::string digits = text.substr(0, text.find('.'));
  if (text.find('.') != std::string::npos) digits += text.substr(text.find('.') + 1);
  digits.erase(digits.find_last_not_of('0') + 1);
  return fmt::format("{}.{}e+{:02}", digits[0], digits.size() > 1 ? digits.substr(1) : "0", exponent);
}

// OpenMetricsWriter writes the samples of one family after another.
class OpenMetricsWriter {
 public:
  void Write(const MetricFamily& family) {
    const std::string_view name = FamilyName(family);
    const std::string_view unit = UnitOf(name);
    Append("# TYPE {} {}\n", name, TypeName(family.type));
    if (!unit.empty()) Append("# UNIT {} {}\n", name, unit);
    Append("# HELP {} {}\n", name, Escaped(family.help));
    for (const ClientMetric& series : family.metric) WriteSeries(name, family.type, series);
  }

  std::string Finish() {
    Append("# EOF\n");
    return std::move(text_);
  }

 private:
  template <typename... Args>
  void Append(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  void WriteSeries(std::string_view name, MetricType type, const ClientMetric& series) {
    if (type == MetricType::Histogram) return WriteHistogram(name, series);
    const bool is_counter = type == MetricType::Counter;
    WriteSample(name, is_counter ? kTotal : "", series, is_counter ? series.counter.value : series.gauge.value);
  }

  void WriteHistogram(std::string_view name, const ClientMetric& series) {
    const ClientMetric::Histogram& histogram = series.histogram;
    for (const ClientMetric::Bucket& bucket : histogram.bucket) {
      WriteSample(name, "_bucket", series, bucket.cumulative_count, BoundText(bucket.upper_bound));
    }
    WriteSample(name, "_bucket", series, histogram.sample_count, "+Inf");
    WriteSample(name, "_count", series, histogram.sample_count);
    WriteSample(name, "_sum", series, histogram.sample_sum);
  }

  template <typename Value>
  void WriteSample(std::string_view name, std::string_view suffix, const ClientMetric& series, Value value,
                   std::string_view bound = {}) {
    Append("{}{}", name, suffix);
    char separator = '{';
    for (const ClientMetric::Label& label : series.label) {
      Append("{}{}=\"{}\"", separator, label.name, Escaped(label.value));
      separator = ',';
    }
    if (!bound.empty()) {
      Append("{}le=\"{}\"", separator, bound);
      separator = ',';
    }
    Append("{} {}\n", separator == ',' ? "}" : "", value);
  }

  std::string text_;
};

}  // namespace

std::string OpenMetricsText(const std::vector<MetricFamily>& families) {
  OpenMetricsWriter writer;
  for (const MetricFamily& family : families) writer.Write(family);
  return writer.Finish();
}

}  // namespace tensorferry::metrics
