#include "cli/bench_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "cli/json_text.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

struct Quantile {
  const char* key;
  const char* title;
  double share;
};
constexpr auto kQuantiles = std::to_array<Quantile>(
    {{"p50", "p50", 0.5}, {"p90", "p90", 0.9}, {"p99", "p99", 0.99}, {"p99_9", "p99.9", 0.999}});

constexpr std::size_t kSize = 8;
constexpr std::size_t kRequests = 8;
constexpr std::size_t kNarrow = 6;

double Microseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1000; }
double Seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

double MeanMicroseconds(std::chrono::nanoseconds sum, std::uint64_t count) {
  return Microseconds(sum) / static_cast<double>(std::max<std::uint64_t>(count, 1));
}

std::string ArrivalsText(Arrivals arrivals) { return arrivals == Arrivals::kConstant ? "constant" : "poisson"; }

// Cell is one of the table. Lines are printed as they come, so that the widths are fixed: together 80 columns.
struct Cell {
  std::string text;
  std::size_t width;
};

// Returns the line of the table; its first cell stands at the left edge, the others at the right edges of theirs.
std::string LineOf(const std::vector<Cell>& cells) {
  std::string line = fmt::format("{:<{}}", cells.front().text, cells.front().width);
  for (const Cell& cell : std::span(cells).subspan(1)) line += fmt::format(" {:>{}}", cell.text, cell.width);
  return line + '\n';
}

// Returns whether the table has a column for the quantile. In an open loop two more columns take the place of one.
bool IsShown(const Quantile& quantile, const BenchOptions& options) {
  return !options.rate || std::string_view(quantile.key) != "p90";
}

std::string DTypeText(const Arguments& arguments) {
  if (arguments.inputs.empty()) return arguments.dtype;
  std::vector<std::string> texts;
  for (const NamedFile& input : arguments.inputs) {
    texts.push_back(input.name.empty() ? input.file : fmt::format("{}={}", input.name, input.file));
  }
  return fmt::format("{}", fmt::join(texts, " "));
}

Json InputsJson(const std::vector<NamedFile>& inputs) {
  Json json = Json::array();
  for (const NamedFile& input : inputs) {
    json.push_back({{"name", input.name.empty() ? Json() : Json(input.name)}, {"file", input.file}});
  }
  return json;
}

Json LatencyJson(const LatencyHistogram& latency) {
  Json json = Json::object();
  const bool any = latency.count() > 0;
  for (const Quantile& quantile : kQuantiles) {
    json[quantile.key] = any ? Json(Microseconds(latency.Quantile(quantile.share))) : Json();
  }
  json["max"] = any ? Json(Microseconds(latency.max())) : Json();
  return json;
}

Json ServerJson(const BenchResult& result) {
  const auto mean = [&](std::chrono::nanoseconds sum) {
    return result.ok > 0 ? Json(MeanMicroseconds(sum, result.ok)) : Json();
  };
  return {{"receive", mean(result.server.receive)},
          {"convert", mean(result.server.convert)},
          {"queue", mean(result.server.queue)},
          {"compute", mean(result.server.compute)}};
}

Json RowJson(const BenchRow& row) {
  const BenchResult& result = row.result;
  return {{"nbytes", row.size},
          {"outstanding", row.outstanding > 0 ? Json(row.outstanding) : Json()},
          {"requests", result.ok + result.failed()},
          {"ok", result.ok},
          {"errors", Json(result.errors)},
          {"late", result.late},
          {"unsent", result.unsent},
          {"elapsed_s", Seconds(result.elapsed)},
          {"requests_per_s", result.PerSecond()},
          {"bytes_per_s", result.PerSecond() * static_cast<double>(row.size)},
          {"latency_us", LatencyJson(result.latency)},
          {"server_mean_us", ServerJson(result)}};
}

}  // namespace

std::string BenchTitle(const Arguments& arguments) {
  const BenchOptions& options = arguments.bench;
  const std::string load =
      options.rate ? fmt::format("{} requests/s, {} arrivals", *options.rate, ArrivalsText(options.arrivals))
                   : fmt::format("{} outstanding", fmt::join(options.swept, ","));
  return OneLine(fmt::format("{}: {} {}{}{}, {}{}, {} s each; times in µs", arguments.server, Info(options.mode).name,
                             DTypeText(arguments), options.digest ? " with digest" : "",
                             arguments.model.empty() ? "" : " through " + arguments.model, load,
                             options.connections > 1 ? fmt::format(" on {} connections", options.connections) : "",
                             Seconds(options.duration)));
}

std::string BenchHead(const Arguments& arguments) {
  const BenchOptions& options = arguments.bench;
  std::vector<Cell> titles{{"size", kSize}};
  if (!options.rate) titles.push_back({"outst.", kNarrow});
  titles.insert(titles.end(), {{"requests", kRequests}, {"errors", kNarrow}, {"req/s", kNarrow}, {"MB/s", kNarrow}});
  for (const Quantile& quantile : kQuantiles) {
    if (IsShown(quantile, options)) titles.push_back({quantile.title, kNarrow});
  }
  titles.push_back({"max", kNarrow});
  if (options.rate) titles.insert(titles.end(), {{"late", kNarrow}, {"unsent", kNarrow}});
  return BenchTitle(arguments) + '\n' + LineOf(titles);
}

std::string BenchLine(const Arguments& arguments, const BenchRow& row) {
  const BenchResult& result = row.result;
  const BenchOptions& options = arguments.bench;
  std::vector<Cell> cells{{SizeText(row.size), kSize}};
  const auto add = [&](std::string text, std::size_t width = kNarrow) { cells.push_back({std::move(text), width}); };
  if (!options.rate) add(fmt::to_string(row.outstanding));
  add(fmt::to_string(result.ok + result.failed()), kRequests);
  add(fmt::to_string(result.failed()));
  add(NumberText(result.PerSecond()));
  add(NumberText(result.PerSecond() * static_cast<double>(row.size) / 1e6));
  const auto time = [&](double microseconds) { add(result.ok > 0 ? NumberText(microseconds) : "-"); };
  for (const Quantile& quantile : kQuantiles) {
    if (IsShown(quantile, options)) time(Microseconds(result.latency.Quantile(quantile.share)));
  }
  time(Microseconds(result.latency.max()));
  if (options.rate) {
    add(fmt::to_string(result.late));
    add(fmt::to_string(result.unsent));
  }
  std::string text = LineOf(cells);
  for (const auto& [reason, count] : result.errors) text += fmt::format("{:>8} {}: {}\n", "", OneLine(reason), count);
  return text;
}

std::string BenchCsv(const std::vector<BenchRow>& rows) {
  std::string text =
      "nbytes,outstanding,requests,ok,late,unsent,elapsed_s,requests_per_s,bytes_per_s,p50_us,p90_us,p99_us,p99_9_us,"
      "max_us,receive_mean_us,convert_mean_us,queue_mean_us,compute_mean_us\n";
  for (const BenchRow& row : rows) {
    const Json json = RowJson(row);
    std::vector<std::string> cells;
    const auto add = [&](const Json& value) { cells.push_back(value.dump() == "null" ? "" : value.dump()); };
    for (const char* key :
         {"nbytes", "outstanding", "requests", "ok", "late", "unsent", "elapsed_s", "requests_per_s", "bytes_per_s"}) {
      add(json[key]);
    }
    for (const auto& value : json["latency_us"]) add(value);
    for (const auto& value : json["server_mean_us"]) add(value);
    text += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return text;
}

std::string BenchJson(const Arguments& arguments, const std::vector<BenchRow>& rows, bool interrupted) {
  const BenchOptions& options = arguments.bench;
  const bool open = options.rate.has_value();
  Json json = {{"server", arguments.server},
               {"mode", Info(options.mode).name},
               {"dtype", arguments.inputs.empty() ? Json(arguments.dtype) : Json()},
               {"inputs", InputsJson(arguments.inputs)},
               {"digest", options.digest},
               {"model", arguments.model},
               {"connections", options.connections},
               {"outstanding", open                        ? Json()
                               : options.swept.size() == 1 ? Json(options.swept[0])
                                                           : Json(options.swept)},
               {"rate", open ? Json(*options.rate) : Json()},
               {"arrivals", open ? Json(ArrivalsText(options.arrivals)) : Json()},
               {"duration_s", Seconds(options.duration)},
               {"warmup_s", Seconds(options.warmup)},
               {"interrupted", interrupted},
               {"sizes", Json::array()}};
  for (const BenchRow& row : rows) json["sizes"].push_back(RowJson(row));
  return JsonText(json);
}

}  // namespace tensorferry::cli
