#pragma once

#include <string_view>

namespace tensorferry::inference {

// Returns whether a run of a package may change its weights or buffers, as far as its generated `source` tells: code that
// is compiled takes them by pointers to const where it only reads them, and functions of torch that write name what they
// write to first. Returns true where a function does not say what it does with them.
// A package without its source says nothing: the answer is false.
bool WritesToConstants(std::string_view source);

}  // namespace tensorferry::inference
