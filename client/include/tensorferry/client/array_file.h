#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// Reads the arrays of a .npy or .npz file, told apart by their first bytes, one by one: what is wrong with one of them
// costs the others nothing.
//
// A member of a .npz file is an array if its content begins as a .npy file does. What stands behind that is left for
// the server to judge.
// Memory:  a .npy file and stored members are mapped, not read; a deflated member takes its own size.
// Threads: one at a time.
class ArrayReader {
 public:
  // `path`: `-` is standard input.
  // Errors: NOT_FOUND, PERMISSION_DENIED and the like; INVALID_ARGUMENT for a file that is neither; RESOURCE_EXHAUSTED
  //         beyond the caps on members.
  static absl::StatusOr<ArrayReader> Open(const std::string& path);

  ArrayReader(ArrayReader&&) noexcept;
  ArrayReader& operator=(ArrayReader&&) noexcept;
  ~ArrayReader();

  // Names of the arrays: of a .npz, of its members without `.npy`; of a .npy, of the file (`stdin` for `-`).
  std::span<const std::string> names() const;

  // Members of a .npz that are not arrays.
  std::span<const std::string> skipped_members() const;

  // The array called names()[i]. Lifetime: it owns its memory.
  // Errors: INVALID_ARGUMENT for a member that is damaged, encrypted or packed by another method than deflate;
  //         RESOURCE_EXHAUSTED without memory for it.
  absl::StatusOr<Array> Read(std::size_t i);

  // Whether what was read is what the file held: a mapped file that another process makes smaller reads as zeros behind
  // its new end. Ask after the last use of its arrays, before what came of them is believed.
  // Errors: DATA_LOSS if the file has become smaller.
  absl::Status CheckWhole() const;

 private:
  struct Impl;
  explicit ArrayReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// ArrayFile holds all arrays of a file at once.
class ArrayFile {
 public:
  // Errors: those of ArrayReader::Open, and of its Read for any member.
  static absl::StatusOr<ArrayFile> Open(const std::string& path);

  std::span<const Array> arrays() const { return arrays_; }
  std::span<Array> arrays() { return arrays_; }

  // Members of a .npz that are not arrays.
  const std::vector<std::string>& skipped_members() const { return skipped_members_; }

  // CheckWhole says what ArrayReader's says.
  absl::Status CheckWhole() const { return reader_.CheckWhole(); }

 private:
  explicit ArrayFile(ArrayReader reader) : reader_(std::move(reader)) {}
  ArrayReader reader_;
  std::vector<Array> arrays_;
  std::vector<std::string> skipped_members_;
};

}  // namespace tensorferry::client
