// ReadZipLayout says where the members of a zip file lie, and checks that the two records of each member agree. libzip
// does not tell the places, and its comparison refuses what common programs write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry {

// ZipMember is one entry of the central directory, with the packed bytes that it points to. It borrows the file.
struct ZipMember {
  std::string_view name;  // As it stands in the file, in any encoding.
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;     // Checksum of the unpacked bytes.
  std::uint64_t nbytes = 0;  // The size of the unpacked bytes.
  std::span<const std::byte> packed;
  absl::Status status;  // If not OK, the archive contradicts itself about this member, and `packed` must not be used.
};

// ZipLimits bounds what the directory may hold, before memory is taken for it.
struct ZipLimits {
  std::uint64_t max_members;
  std::uint64_t max_directory_bytes;
};

// ReadZipLayout returns the members of `file` in the order of its central directory, which is looked for as Python's
// zipfile does.
//
// Each local header is compared with its entry. If either says that the sizes follow the member (bit 3 of the flags,
// which programs set that write to a pipe), its checksum and sizes may be 0: some writers leave all three at 0, some
// only two.
// Member errors: INVALID_ARGUMENT, which names the member and the field, if the two contradict each other, if the
//                member overlaps another or lies outside the file, or if another has its name.
// Errors:        INVALID_ARGUMENT if there is no directory, or if it does not end where the archive says;
//                RESOURCE_EXHAUSTED beyond the limits.
absl::StatusOr<std::vector<ZipMember>> ReadZipLayout(std::span<const std::byte> file, const ZipLimits& limits);

}  // namespace tensorferry
