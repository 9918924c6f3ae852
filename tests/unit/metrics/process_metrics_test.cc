#include "metrics/process_metrics.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <thread>

#include "testing/gate.h"
#include "testing/series.h"

namespace tensorferry::metrics {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Le;
using testing::Optional;

std::optional<double> Value(std::string_view name) { return ValueOf(FamiliesOf(ProcessMetrics()), name, {}); }

TEST(ProcessMetrics, CountOpenFiles) {
  const double before = Value("process_open_fds").value();
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(Value("process_open_fds"), Optional(before + 1));
  close(file);
  EXPECT_THAT(Value("process_open_fds"), Optional(before));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_THAT(Value("process_max_fds"), Optional(static_cast<double>(limit.rlim_cur)));
}

// getrusage tells what /proc does, in its own way.
TEST(ProcessMetrics, TellTimeAndMemory) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double used = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
  EXPECT_THAT(Value("process_cpu_seconds_total"), Optional(AllOf(Ge(used - 1), Le(used + 10))));
  EXPECT_THAT(Value("process_resident_memory_bytes"),
              Optional(Le(static_cast<double>(usage.ru_maxrss) * 1024 + (1 << 20))));
  EXPECT_THAT(Value("process_resident_memory_bytes"), Optional(Ge(1 << 20)));
  EXPECT_GE(Value("process_virtual_memory_bytes"), Value("process_resident_memory_bytes"));
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_THAT(Value("process_start_time_seconds"), Optional(AllOf(Ge(now - 3600), Le(now + 1))));
}

TEST(ProcessMetrics, CountThreads) {
  const double before = Value("process_threads").value();
  Gate gate;
  std::thread waiting([&gate] { gate.Pass(); });
  EXPECT_THAT(Value("process_threads"), Optional(before + 1));
  gate.Open();
  waiting.join();
}

}  // namespace
}  // namespace tensorferry::metrics
