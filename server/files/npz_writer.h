#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry {

// NpzMember is an array to be written as the member `NAME.npy`. It borrows its elements.
struct NpzMember {
  std::string name;
  std::string header;                      // What NpyHeaderBytes returns.
  std::vector<std::string_view> elements;  // In pieces.
};

// WriteNpzFile writes members to a .npz file, uncompressed like numpy.savez. An existing file is replaced.
// Errors: UNKNOWN, if two members have one name, too; those of the system.
absl::Status WriteNpzFile(const std::string& path, std::span<const NpzMember> members);

// NpzBytes returns the same file in memory, for which it takes at most MaxNpzNbytes.
// Errors: UNKNOWN if two members have one name; RESOURCE_EXHAUSTED without memory.
absl::StatusOr<std::string> NpzBytes(std::span<const NpzMember> members);

std::uint64_t MaxNpzNbytes(std::span<const NpzMember> members);

}  // namespace tensorferry
