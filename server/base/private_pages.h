#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace tensorferry {

// Returns whether any page of a private mapping of a file was written to, and so is a copy of the file's. `bytes` lie in
// one such mapping, and are not empty. Nothing: this system does not say.
std::optional<bool> AnyPageWasCopied(std::span<const std::byte> bytes);

// ScanForCopies and ReadForCopies are the two ways in which AnyPageWasCopied asks. `pagemap` is an open
// /proc/self/pagemap. The kernel scans since Linux 6.7, and stops at the first copy; else each page's entry is read, which
// takes ten times as long.
std::optional<bool> ScanForCopies(int pagemap, std::span<const std::byte> bytes);
std::optional<bool> ReadForCopies(int pagemap, std::span<const std::byte> bytes);

}  // namespace tensorferry
