#include "cli/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

double Microseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1000; }
double Seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

double MeanMicroseconds(std::chrono::nanoseconds sum, std::uint64_t count) {
  return Microseconds(sum) / static_cast<double>(std::max<std::uint64_t>(count, 1));
}

std::string ArrivalsText(Arrivals arrivals) { return arrivals == Arrivals::kConstant ? "constant" : "poisson"; }

std::string Columns(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) line += fmt::format(" {:>10}", cell);
  return line + '\n';
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

std::string BenchHead(const Arguments& arguments) {
  const BenchOptions& options = arguments.bench;
  const std::string load =
      options.rate ? fmt::format("{} requests/s, {} arrivals", *options.rate, ArrivalsText(options.arrivals))
                   : fmt::format("{} outstanding", options.outstanding);
  std::vector<std::string> titles{"size", "requests", "errors", "requests/s", "MB/s"};
  for (const Quantile& quantile : kQuantiles) titles.emplace_back(quantile.title);
  titles.insert(titles.end(), {"max", "receive", "convert"});
  if (options.rate) titles.insert(titles.end(), {"late", "unsent"});
  return OneLine(fmt::format("{}: {} {}{}{}, {}{}, {} s each; times in µs", arguments.server, Info(options.mode).name,
                             arguments.dtype, options.digest ? " with digest" : "",
                             arguments.model.empty() ? "" : " through " + arguments.model, load,
                             options.connections > 1 ? fmt::format(" on {} connections", options.connections) : "",
                             Seconds(options.duration))) +
         '\n' + Columns(titles);
}

std::string BenchLine(const Arguments& arguments, const BenchRow& row) {
  const BenchResult& result = row.result;
  std::vector<std::string> cells{SizeText(row.size), fmt::to_string(result.ok + result.failed()),
                                 fmt::to_string(result.failed()), NumberText(result.PerSecond()),
                                 NumberText(result.PerSecond() * static_cast<double>(row.size) / 1e6)};
  const bool any = result.ok > 0;
  const auto time = [&](double microseconds) { cells.push_back(any ? NumberText(microseconds) : "-"); };
  for (const Quantile& quantile : kQuantiles) time(Microseconds(result.latency.Quantile(quantile.share)));
  time(Microseconds(result.latency.max()));
  time(MeanMicroseconds(result.server.receive, result.ok));
  time(MeanMicroseconds(result.server.convert, result.ok));
  if (arguments.bench.rate) {
    cells.push_back(fmt::to_string(result.late));
    cells.push_back(fmt::to_string(result.unsent));
  }
  std::string text = Columns(cells);
  for (const auto& [reason, count] : result.errors) text += fmt::format(" {:>10} {}: {}\n", "", OneLine(reason), count);
  return text;
}

std::string BenchJson(const Arguments& arguments, const std::vector<BenchRow>& rows, bool interrupted) {
  const BenchOptions& options = arguments.bench;
  const bool open = options.rate.has_value();
  Json json = {{"server", arguments.server},
               {"mode", Info(options.mode).name},
               {"dtype", arguments.dtype},
               {"digest", options.digest},
               {"model", arguments.model},
               {"connections", options.connections},
               {"outstanding", open ? Json() : Json(options.outstanding)},
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
