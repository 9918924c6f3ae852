#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace tensorferry {

// Returns whether any page of a private mapping of a file was written to, and so is a copy of the file's. `bytes` lie in
// one such mapping, and are not empty. Nothing: this system does not say.
std::optional<bool> AnyPageWasCopied(std::span<const std::byte> bytes);

}  // namespace tensorferry
