#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// The arrays of a .npy or .npz file, told apart by their first bytes.
//
// A .npy file is mapped, not read; the members of a .npz file are unpacked into memory and their checksums verified.
// What stands inside a .npy is left for the server to judge. Lifetime: its arrays own their memory.
class ArrayFile {
 public:
  // `path`: `-` is standard input.
  // Errors: NOT_FOUND, PERMISSION_DENIED and the like; INVALID_ARGUMENT for a file that is neither, a damaged zip, a
  // member
  //         that is encrypted or packed by another method than deflate; RESOURCE_EXHAUSTED beyond the caps on members.
  static absl::StatusOr<ArrayFile> Open(const std::string& path);

  // Of a .npz, each named after its member without `.npy`; of a .npy, one named after the file (`stdin` for `-`).
  std::span<const Array> arrays() const { return arrays_; }
  std::span<Array> arrays() { return arrays_; }

  // Members of a .npz that are not arrays.
  const std::vector<std::string>& skipped_members() const { return skipped_members_; }

 private:
  ArrayFile() = default;
  std::vector<Array> arrays_;
  std::vector<std::string> skipped_members_;
};

}  // namespace tensorferry::client
