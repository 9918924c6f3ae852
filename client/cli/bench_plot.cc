#include "cli/bench_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "base/text.h"
#include "cli/plot_scale.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

// Lengths are in SVG's units.
constexpr double kWidth = 860;
constexpr double kHeight = 400;
constexpr double kPanelWidth = 340;
constexpr double kPanelHeight = 250;
constexpr double kTop = 90;     // Of both panels.
constexpr double kLeft = 60;    // Of the first panel.
constexpr double kRight = 490;  // Left edge of the second panel.
constexpr auto kColors =
    std::to_array<std::string_view>({"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"});

constexpr std::string_view kStyle =
    "text{font:12px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:14px}"
    ".grid{stroke:#ddd}.axis{stroke:#888}polyline{fill:none;stroke-width:2}";

// Curve is one line of a panel. Its values stand above the panel's labels, one for each; those that are not above 0 are
// left out.
struct Curve {
  std::string name;
  std::string_view color;
  bool dashed = false;
  std::vector<double> values;
};

struct Panel {
  double left = 0;
  std::string title;
  std::string below;  // What the labels are.
  std::vector<std::string> labels;
  std::vector<Curve> curves;
};

std::string XmlText(const std::string& text) {
  std::string escaped;
  for (const char c : OneLine(text)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string TextAt(double x, double y, std::string_view anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, XmlText(text));
}

double XOf(const Panel& panel, std::size_t i) {
  return panel.left + kPanelWidth * (static_cast<double>(i) + 0.5) / static_cast<double>(panel.labels.size());
}

double YOf(const PlotScale& scale, double value) { return kTop + kPanelHeight * (1 - scale.At(value)); }

std::string CurveSvg(const Panel& panel, const Curve& curve, const PlotScale& scale) {
  std::string points;
  std::string circles;
  for (std::size_t i = 0; i < curve.values.size(); ++i) {
    if (!(curve.values[i] > 0)) continue;
    const double x = XOf(panel, i);
    const double y = YOf(scale, curve.values[i]);
    points += fmt::format("{:.1f},{:.1f} ", x, y);
    circles += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"><title>{}</title></circle>\n", x, y, curve.color,
        XmlText(fmt::format("{} at {}: {}", curve.name, panel.labels[i], NumberText(curve.values[i]))));
  }
  return fmt::format("<polyline stroke=\"{}\"{} points=\"{}\"/>\n", curve.color,
                     curve.dashed ? " stroke-dasharray=\"5 4\"" : "", points) +
         circles;
}

std::string PanelSvg(const Panel& panel) {
  std::vector<double> values;
  for (const Curve& curve : panel.curves) values.insert(values.end(), curve.values.begin(), curve.values.end());
  const PlotScale scale(values);
  const double bottom = kTop + kPanelHeight;
  std::string svg = TextAt(panel.left, kTop - 14, "start", panel.title);
  for (const double tick : scale.ticks()) {
    const double y = YOf(scale, tick);
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}h{:.1f}\"/>\n", panel.left, y, kPanelWidth);
    svg += TextAt(panel.left - 6, y + 4, "end", TickText(tick));
  }
  svg += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:.1f}h{:.1f}\"/>\n", panel.left, bottom, kPanelWidth);
  for (std::size_t i = 0; i < panel.labels.size(); ++i) {
    svg += TextAt(XOf(panel, i), bottom + 18, "middle", panel.labels[i]);
  }
  svg += TextAt(panel.left + kPanelWidth / 2, bottom + 38, "middle", panel.below);
  for (const Curve& curve : panel.curves) svg += CurveSvg(panel, curve, scale);
  return svg;
}

// Grid is the rows as a table: a series for each size, a point for each of the outstanding requests; or one series with a
// point for each size.
struct Grid {
  std::string below;
  std::vector<std::string> labels;
  std::vector<std::string> series;
  std::vector<std::vector<const BenchRow*>> rows;  // Of each series; null where nothing was measured.
};

Grid GridOf(const std::vector<BenchRow>& rows) {
  std::vector<int> swept;
  std::vector<std::uint64_t> sizes;
  for (const BenchRow& row : rows) {
    if (std::ranges::find(swept, row.outstanding) == swept.end()) swept.push_back(row.outstanding);
    if (std::ranges::find(sizes, row.size) == sizes.end()) sizes.push_back(row.size);
  }
  const bool by_size = swept.size() <= 1 && sizes.size() > 1;
  Grid grid{.below = by_size ? "bytes of elements per request" : "outstanding requests",
            .labels = {},
            .series = {},
            .rows = {}};
  for (const std::uint64_t size : sizes) {
    if (by_size) grid.labels.push_back(SizeText(size));
    if (!by_size || grid.series.empty()) grid.series.push_back(by_size ? "" : SizeText(size));
  }
  if (!by_size) {
    for (const int outstanding : swept) grid.labels.push_back(outstanding > 0 ? fmt::to_string(outstanding) : "rate");
  }
  grid.rows.assign(grid.series.size(), std::vector<const BenchRow*>(grid.labels.size(), nullptr));
  for (const BenchRow& row : rows) {
    const auto size = static_cast<std::size_t>(std::ranges::find(sizes, row.size) - sizes.begin());
    const auto load = static_cast<std::size_t>(std::ranges::find(swept, row.outstanding) - swept.begin());
    (by_size ? grid.rows[0][size] : grid.rows[size][load]) = &row;
  }
  return grid;
}

// Adds a curve for each series, of what `value` says of its rows.
void AddCurves(const Grid& grid, const std::string& name, bool dashed,
               const std::function<double(const BenchResult&)>& value, Panel& panel) {
  for (std::size_t i = 0; i < grid.series.size(); ++i) {
    Curve curve{.name = grid.series[i].empty() ? name : name + ", " + grid.series[i],
                .color = kColors.at(i % kColors.size()),
                .dashed = dashed,
                .values = {}};
    for (const BenchRow* row : grid.rows[i]) {
      curve.values.push_back(row != nullptr && row->result.ok > 0 ? value(row->result) : 0);
    }
    panel.curves.push_back(std::move(curve));
  }
}

std::string LegendSvg(const Grid& grid) {
  std::string svg;
  double x = kLeft;
  for (std::size_t i = 0; i < grid.series.size(); ++i) {
    if (grid.series[i].empty()) continue;
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"46\" r=\"5\" fill=\"{}\"/>\n", x, kColors.at(i % kColors.size()));
    svg += TextAt(x + 10, 50, "start", grid.series[i]);
    x += 40 + 7 * static_cast<double>(grid.series[i].size());
  }
  return svg;
}

double LatencyMicroseconds(const BenchResult& result, double share) {
  return static_cast<double>(result.latency.Quantile(share).count()) / 1000;
}

}  // namespace

std::string BenchPlot(const Arguments& arguments, const std::vector<BenchRow>& rows) {
  const Grid grid = GridOf(rows);
  Panel throughput{
      .left = kLeft, .title = "requests per second", .below = grid.below, .labels = grid.labels, .curves = {}};
  AddCurves(
      grid, "requests/s", false, [](const BenchResult& result) { return result.PerSecond(); }, throughput);
  Panel latency{.left = kRight,
                .title = "latency in µs: p50, and dashed p99",
                .below = grid.below,
                .labels = grid.labels,
                .curves = {}};
  AddCurves(
      grid, "p50", false, [](const BenchResult& result) { return LatencyMicroseconds(result, 0.5); }, latency);
  AddCurves(
      grid, "p99", true, [](const BenchResult& result) { return LatencyMicroseconds(result, 0.99); }, latency);
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\">\n"
             "<style>{2}</style>\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
             "<text class=\"title\" x=\"{3}\" y=\"26\">{4}</text>\n",
             kWidth, kHeight, kStyle, kLeft, XmlText(BenchTitle(arguments))) +
         LegendSvg(grid) + PanelSvg(throughput) + PanelSvg(latency) + "</svg>\n";
}

}  // namespace tensorferry::cli
