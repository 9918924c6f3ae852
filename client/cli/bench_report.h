#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/result.h"
#include "cli/arguments.h"

namespace tensorferry::cli {

struct BenchRow {
  std::uint64_t size = 0;  // Bytes of elements per request.
  BenchResult result;
};

// For people: what was measured and the names of the columns, then a line for each size, and its errors.
std::string BenchHead(const Arguments& arguments);
std::string BenchLine(const Arguments& arguments, const BenchRow& row);

// For programs: one object on one line, with the same keys whatever was measured.
std::string BenchJson(const Arguments& arguments, const std::vector<BenchRow>& rows, bool interrupted);

}  // namespace tensorferry::cli
