#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/file_bytes.h"

namespace tensorferry::client {

// What a zip file may unpack to: far beyond what is saved in earnest.
struct NpzLimits {
  std::uint64_t max_members = 65'536;
  std::uint64_t max_bytes = std::uint64_t{64} << 30;  // Unpacked, all arrays together.
};

// The members of a .npz file. A member is an array if its content begins as a .npy file does, whatever it is called, as
// numpy.load has it.
//
// Memory: stored members lie in the file; a deflated one takes its own size when it is read.
// Threads: one at a time.
class NpzReader {
 public:
  // Errors: INVALID_ARGUMENT for what is no zip file; RESOURCE_EXHAUSTED beyond the limits, before anything is
  //         unpacked.
  static absl::StatusOr<NpzReader> Open(FileBytes file, const NpzLimits& limits = {});

  NpzReader(NpzReader&&) noexcept;
  NpzReader& operator=(NpzReader&&) noexcept;
  ~NpzReader();

  // Names of the arrays without `.npy`, in the order of the central directory.
  const std::vector<std::string>& names() const { return names_; }

  // Whole names of the members that are no arrays.
  const std::vector<std::string>& skipped() const { return skipped_; }

  // CheckWhole is FileBytes::CheckWhole of the archive.
  absl::Status CheckWhole() const;

  // The .npy file called names()[i], read to its end and its checksum verified.
  // Errors: INVALID_ARGUMENT for a member that is damaged, encrypted or packed by another method than deflate;
  //         RESOURCE_EXHAUSTED without memory for it.
  absl::StatusOr<FileBytes> Read(std::size_t i);

 private:
  struct Archive;
  explicit NpzReader(std::unique_ptr<Archive> archive);
  absl::Status Sort(const NpzLimits& limits);

  std::unique_ptr<Archive> archive_;
  std::vector<std::string> names_;
  std::vector<std::string> skipped_;
};

}  // namespace tensorferry::client
