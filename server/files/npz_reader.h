#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "files/owned_bytes.h"

namespace tensorferry {

// NpzLimits bounds what a zip file may unpack to, far above what anybody saves in earnest.
struct NpzLimits {
  std::uint64_t max_members = 65'536;
  std::uint64_t max_directory_bytes = std::uint64_t{1} << 30;
  std::uint64_t max_bytes = std::uint64_t{64} << 30;  // The unpacked bytes of all arrays together.
  TakeMemory take_memory{};                           // For what is unpacked. Empty: it comes from the heap.
};

// NpzReader reads the members of a .npz file. As for numpy.load, a member is an array if its content begins as a .npy
// file does, whatever its name.
//
// Memory:  stored members are views of the file; a deflated one takes the size that it states when it is read, which is
//          at most 1032 times that of its packed bytes.
// Threads: one at a time may use an NpzReader.
class NpzReader {
 public:
  // Errors: INVALID_ARGUMENT for what is no zip file; RESOURCE_EXHAUSTED beyond the limits, before anything is
  //         unpacked.
  static absl::StatusOr<NpzReader> Open(OwnedBytes file, NpzLimits limits = {});

  NpzReader(NpzReader&&) noexcept;
  NpzReader& operator=(NpzReader&&) noexcept;
  ~NpzReader();

  // Returns the names of the arrays, without `.npy`, in the order of the central directory.
  const std::vector<std::string>& names() const { return names_; }

  // Returns the whole names of the members that are not arrays.
  const std::vector<std::string>& skipped() const { return skipped_; }

  // Returns the .npy file called names()[i], read to its end so that its checksum is verified.
  // Errors: INVALID_ARGUMENT for a member that is damaged, encrypted or packed by another method than deflate;
  //         RESOURCE_EXHAUSTED without memory for it, or what NpzLimits::take_memory says.
  absl::StatusOr<OwnedBytes> Read(std::size_t i);

 private:
  struct Archive;
  explicit NpzReader(std::unique_ptr<Archive> archive);
  absl::Status Sort();

  std::unique_ptr<Archive> archive_;
  std::vector<std::string> names_;
  std::vector<std::string> skipped_;
};

}  // namespace tensorferry
