#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/file_bytes.h"

namespace tensorferry::client {

// What a zip file may unpack to: far beyond what is saved in earnest.
struct NpzLimits {
  std::uint64_t max_members = 65'536;
  std::uint64_t max_bytes = std::uint64_t{64} << 30;  // Unpacked, all members together.
};

struct NpzMember {
  std::string name;  // Without `.npy`.
  FileBytes npy;     // The whole .npy file, not looked into.
};

struct NpzContent {
  std::vector<NpzMember> arrays;     // In the order of the central directory.
  std::vector<std::string> skipped;  // Members whose name does not end in `.npy`; not unpacked.
};

// Unpack a .npz file. Sizes are those of the central directory, which must agree with the local headers; each member is
// read to its end and its checksum verified.
//
// Errors: INVALID_ARGUMENT for a damaged zip, a member that is encrypted or packed by another method than deflate;
//         RESOURCE_EXHAUSTED beyond the limits, before anything is unpacked.
absl::StatusOr<NpzContent> ReadNpz(std::span<const std::byte> file, const NpzLimits& limits = {});

}  // namespace tensorferry::client
