// These functions send one request after the other, and report as `tensorferry bench --json` does.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "cli/arguments.h"
#include "cli/bench_report.h"

namespace tensorferry::bench {

// Load is what the last words of a command line say: SIZE DURATION_MS WARMUP_MS.
struct Load {
  std::uint64_t nbytes;
  std::chrono::milliseconds duration, warmup;

  static Load Read(char** words) {
    return {std::stoull(words[0]), std::chrono::milliseconds(std::stol(words[1])),
            std::chrono::milliseconds(std::stol(words[2]))};
  }
};

template <typename Request>
cli::BenchResult Repeat(std::chrono::milliseconds duration, Request&& request) {
  using Clock = std::chrono::steady_clock;
  cli::BenchResult result;
  const Clock::time_point start = Clock::now();
  Clock::time_point now = start;
  do {
    request();
    const Clock::time_point end = Clock::now();
    result.latency.Add(end - now);
    ++result.ok;
    now = end;
  } while (now - start < duration);
  result.elapsed = now - start;
  return result;
}

inline void Print(const std::string& what, const Load& load, const cli::BenchResult& result) {
  cli::Arguments arguments;
  arguments.server = what;
  arguments.bench.duration = load.duration;
  arguments.bench.warmup = load.warmup;
  fmt::print("{}\n", cli::BenchJson(arguments, {{.size = load.nbytes, .outstanding = 1, .result = result}}, false));
}

// MeasureAndPrint calls `request` over and over, for the warm-up and then for the measurement, and prints the result.
template <typename Request>
void MeasureAndPrint(const std::string& what, const Load& load, Request&& request) {
  if (load.warmup.count() > 0) Repeat(load.warmup, request);
  Print(what, load, Repeat(load.duration, request));
}

}  // namespace tensorferry::bench
