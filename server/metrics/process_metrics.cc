#include "metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

namespace tensorferry::metrics {
namespace {

std::optional<std::string> ReadAll(const char* path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad() || text.empty()) return std::nullopt;
  return text;
}

// Stat holds the fields of /proc/self/stat that are of use; man 5 proc has their numbers.
struct Stat {
  std::uint64_t user_ticks = 0, system_ticks = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  // Since the machine was started.
  std::uint64_t virtual_bytes = 0, resident_pages = 0;
};

std::optional<Stat> ReadStat() {
  constexpr int kUserTime = 14;
  constexpr int kSystemTime = 15;
  constexpr int kThreads = 20;
  constexpr int kStartTime = 22;
  constexpr int kVirtualSize = 23;
  constexpr int kResident = 24;
  const auto text = ReadAll("/proc/self/stat");
  const std::size_t name_end = text ? text->rfind(')') : std::string::npos;  // The program's name may hold anything.
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text->substr(name_end + 1));
  Stat stat;
  std::string field;
  for (int number = 3; number <= kResident && fields >> field; ++number) {
    const auto value = [&field] { return std::stoull(field); };
    switch (number) {
      case kUserTime: stat.user_ticks = value(); break;
      case kSystemTime: stat.system_ticks = value(); break;
      case kThreads: stat.threads = value(); break;
      case kStartTime: stat.start_ticks = value(); break;
      case kVirtualSize: stat.virtual_bytes = value(); break;
      case kResident: stat.resident_pages = value(); break;
      default: break;
    }
  }
  return fields ? std::optional(stat) : std::nullopt;
}

// Returns when the machine was started, in seconds since 1970.
std::optional<double> BootTime() {
  const auto text = ReadAll("/proc/stat");
  const std::size_t at = text ? text->find("\nbtime ") : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text->substr(at + 7));
}

std::optional<std::int64_t> CountOpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  std::int64_t count = -1;  // The folder itself is open while it is read.
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) ++count;
  return error ? std::nullopt : std::optional(count);
}

void AddStat(const Stat& stat, Families& families) {
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  families.Add(Metric::kProcessCpuSeconds, {},
               static_cast<double>(stat.user_ticks + stat.system_ticks) / ticks_per_second);
  families.Add(Metric::kProcessThreads, {}, static_cast<double>(stat.threads));
  families.Add(Metric::kProcessVirtualBytes, {}, static_cast<double>(stat.virtual_bytes));
  families.Add(Metric::kProcessResidentBytes, {},
               static_cast<double>(stat.resident_pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  if (const auto boot = BootTime()) {
    families.Add(Metric::kProcessStartTime, {}, *boot + static_cast<double>(stat.start_ticks) / ticks_per_second);
  }
}

}  // namespace

void ProcessMetrics::Collect(Families& families) const {
  if (const auto stat = ReadStat()) AddStat(*stat, families);
  if (const auto open = CountOpenFiles()) families.Add(Metric::kProcessOpenFiles, {}, static_cast<double>(*open));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  families.Add(Metric::kProcessMaxFiles, {}, static_cast<double>(limit.rlim_cur));
}

}  // namespace tensorferry::metrics
