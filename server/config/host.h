#pragma once

#include <cstdint>
#include <filesystem>

namespace tensorferry::config {

// These functions say what this process may use of the machine. The result is what the machine has, or less if a
// control group of version 1 or 2, at any level above the process, sets a limit. `root` is the folder in which /proc
// and /sys/fs/cgroup are looked up. A file that is missing or makes no sense sets no limit.

std::uint64_t UsableMemoryBytes(const std::filesystem::path& root = "/");

// Returns the number of cores in the affinity mask, or the number of cores, rounded up, whose time the control group
// grants, whichever is smaller: from 1 to 1024.
int UsableCores(const std::filesystem::path& root = "/");

}  // namespace tensorferry::config
