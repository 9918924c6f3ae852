#pragma once

#include <cstdint>

namespace tensorferry {

// Lets the process open as many files as the system allows it, as each connection is one: the soft limit (`ulimit -n`)
// is often 1024, for programs that would not stand more. Returns how many that are.
std::uint64_t RaiseFileLimit();

}  // namespace tensorferry
