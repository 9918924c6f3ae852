#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/result.h"
#include "cli/arguments.h"

namespace tensorferry::cli {

struct BenchRow {
  std::uint64_t size = 0;  // Bytes of elements per request.
  int outstanding = 0;     // Unanswered requests per connection at any time; 0 in an open loop.
  BenchResult result;
};

// BenchTitle says in one line, for people, what is measured. BenchHead writes it above the names of the columns, and
// BenchLine one row and its errors.
std::string BenchTitle(const Arguments& arguments);
std::string BenchHead(const Arguments& arguments);
std::string BenchLine(const Arguments& arguments, const BenchRow& row);

// BenchCsv writes, for programs, a line with the names of the columns and one for each row.
std::string BenchCsv(const std::vector<BenchRow>& rows);

// BenchJson writes, for programs, one object on one line. Its keys do not depend on what was measured.
std::string BenchJson(const Arguments& arguments, const std::vector<BenchRow>& rows, bool interrupted);

}  // namespace tensorferry::cli
