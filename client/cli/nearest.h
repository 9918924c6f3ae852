#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tensorferry::cli {

// The candidate that was probably meant; nothing if none is near: more than a third of the letters differ.
std::optional<std::string> Nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace tensorferry::cli
