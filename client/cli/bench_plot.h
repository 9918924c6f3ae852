#pragma once

#include <string>
#include <vector>

#include "cli/bench_report.h"

namespace tensorferry::cli {

// BenchPlot draws the rows as SVG: requests per second and latency, over the outstanding requests if these were swept,
// else over the sizes.
std::string BenchPlot(const Arguments& arguments, const std::vector<BenchRow>& rows);

}  // namespace tensorferry::cli
