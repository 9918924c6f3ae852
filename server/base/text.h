// What people type and read: sizes.
#pragma once

#include <cstdint>
#include <string>

namespace tensorferry {

// A size for people, in the largest unit that it reaches: "64 B", "3.0 GiB".
std::string SizeText(std::uint64_t nbytes);

}  // namespace tensorferry
