#pragma once

#include <string>
#include <string_view>

namespace tensorferry::config {

// `text` without control characters: a line feed becomes \n, others \x1b and the like. All other bytes stay.
std::string OneLine(std::string_view text);

}  // namespace tensorferry::config
