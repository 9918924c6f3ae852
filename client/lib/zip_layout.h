// Where the members of a zip file lie, and whether the two places that describe each of them agree: libzip does not say
// the first, and compares the second more strictly than programs write it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry::client {

// One entry of the central directory, and the bytes that it points to. Borrows the file.
struct ZipMember {
  std::string_view name;  // As in the file, in whatever encoding.
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc = 0;     // Checksum of the unpacked bytes.
  std::uint64_t nbytes = 0;  // Unpacked.
  std::span<const std::byte> packed;
  absl::Status status;  // Not OK: the archive contradicts itself about this member, and `packed` means nothing.
};

// The members of `file`, in the order of its central directory, where Python's zipfile finds them.
//
// Each local header is compared with its entry. Where either says that the sizes follow the member (bit 3 of the flags,
// as programs set it that write to a pipe), checksum and sizes may each be 0: some writers leave all three at 0, some
// two.
// Member errors: INVALID_ARGUMENT, which names the member and the field, if the two contradict each other, if the
//                member overlaps another or lies outside the file, or if another has its name.
// Errors:        INVALID_ARGUMENT if there is no directory, or if it does not end where the archive says.
absl::StatusOr<std::vector<ZipMember>> ReadZipLayout(std::span<const std::byte> file);

}  // namespace tensorferry::client
