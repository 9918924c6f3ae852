#include "config/host.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace tensorferry::config {
namespace {

namespace fs = std::filesystem;

// Returns whether `controller` is an entry of `list`: "cpu" is an entry of "cpu,cpuacct".
bool Lists(const std::string& list, std::string_view controller) {
  return ("," + list + ",").find("," + std::string(controller) + ",") != std::string::npos;
}

// Calls `visit` with each folder that holds settings of `controller` for this process: those of its control group and
// of all groups above it, in version 2 and in version 1. Inside a container, the path of the group may be the host's;
// then only the folder that is visited last, the mount itself, exists.
void ForEachGroup(const fs::path& root, std::string_view controller,
                  const std::function<void(const fs::path&)>& visit) {
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string id, controllers, path;
       std::getline(groups, id, ':') && std::getline(groups, controllers, ':') && std::getline(groups, path);) {
    fs::path mount = root / "sys/fs/cgroup";
    if (Lists(controllers, controller)) {
      mount /= controller;
    } else if (!controllers.empty()) {
      continue;
    }
    for (fs::path group = fs::path(path).relative_path(); !group.empty(); group = group.parent_path()) {
      visit(mount / group);
    }
    visit(mount);
  }
}

// Returns the number with which `file` starts, or `otherwise` if there is none: "max" and -1 mean no limit.
std::uint64_t ReadLimit(const fs::path& file, std::uint64_t otherwise) {
  std::int64_t value = 0;
  return std::ifstream(file) >> value && value > 0 ? static_cast<std::uint64_t>(value) : otherwise;
}

int CoresOfAffinityMask() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return CPU_COUNT(&mask);
  // sched_getaffinity fails if there are more cores than a cpu_set_t has bits.
  return static_cast<int>(std::thread::hardware_concurrency());
}

// Returns the number of cores, rounded up, that `quota` microseconds of CPU time in every `period` microseconds make
// up.
int CoresOfQuota(std::int64_t quota, std::int64_t period, int otherwise) {
  if (quota <= 0 || period <= 0 || quota / period >= otherwise) return otherwise;
  return static_cast<int>(quota / period + (quota % period != 0 ? 1 : 0));
}

}  // namespace

std::uint64_t UsableMemoryBytes(const fs::path& root) {
  std::uint64_t usable =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  ForEachGroup(root, "memory", [&](const fs::path& group) {
    usable =
        std::min({usable, ReadLimit(group / "memory.max", usable), ReadLimit(group / "memory.limit_in_bytes", usable)});
  });
  return usable;
}

int UsableCores(const fs::path& root) {
  int usable = CoresOfAffinityMask();
  ForEachGroup(root, "cpu", [&](const fs::path& group) {
    std::int64_t quota = 0;
    std::int64_t period = 0;
    const bool limited =
        (std::ifstream(group / "cpu.max") >> quota >> period) ||
        (std::ifstream(group / "cpu.cfs_quota_us") >> quota && std::ifstream(group / "cpu.cfs_period_us") >> period);
    if (limited) usable = CoresOfQuota(quota, period, usable);
  });
  return std::clamp(usable, 1, 1024);
}

}  // namespace tensorferry::config
