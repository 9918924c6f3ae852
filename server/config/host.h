#pragma once

#include <cstdint>
#include <filesystem>

namespace tensorferry::config {

// What this process may use of the machine: the machine's own measure, or less where a control group (version 1 or 2,
// at any level above the process) sets a limit. `root` is where /proc and /sys/fs/cgroup are looked for; a file that is
// missing or makes no sense sets no limit.

std::uint64_t UsableMemoryBytes(const std::filesystem::path& root = "/");

// Cores of the affinity mask or, rounded up, the cores' worth of time that the control group grants: from 1 to 1024.
int UsableCores(const std::filesystem::path& root = "/");

}  // namespace tensorferry::config
