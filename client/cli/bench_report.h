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

// BenchHead writes, for people, what is measured and the names of the columns; BenchLine one size and its errors.
std::string BenchHead(const Arguments& arguments);
std::string BenchLine(const Arguments& arguments, const BenchRow& row);

// BenchJson writes, for programs, one object on one line. Its keys do not depend on what was measured.
std::string BenchJson(const Arguments& arguments, const std::vector<BenchRow>& rows, bool interrupted);

}  // namespace tensorferry::cli
