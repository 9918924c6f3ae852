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

// ArrayReader reads the arrays of a .npy, .npz or safetensors file one by one. What is wrong with one array costs the
// others nothing.
//
// The first bytes of a file tell its format. A member of a .npz file is an array if its content begins as a .npy file
// does; the server judges the rest of its header. The header of a safetensors file is checked here, as a whole.
// Memory:  a .npy file, stored members and the tensors of a safetensors file are mapped, not read; a deflated member
//          takes its own size.
// Threads: one at a time may use an ArrayReader.
class ArrayReader {
 public:
  // Opens the file at `path`; `-` is standard input.
  // Errors: NOT_FOUND, PERMISSION_DENIED and the like; INVALID_ARGUMENT for a file of another format, or a
  //         safetensors file whose header breaks a rule of the format; RESOURCE_EXHAUSTED beyond the caps on members.
  static absl::StatusOr<ArrayReader> Open(const std::string& path);

  ArrayReader(ArrayReader&&) noexcept;
  ArrayReader& operator=(ArrayReader&&) noexcept;
  ~ArrayReader();

  // Returns the names of the arrays: in a .npz the names of its members without `.npy`; in a safetensors file those of
  // its tensors, in the order of their elements; for a .npy the name of the file, or `stdin` for `-`.
  std::span<const std::string> names() const;

  // Returns the names of the members of a .npz that are not arrays.
  std::span<const std::string> skipped_members() const;

  // Returns the array called names()[i], which owns its memory.
  // Errors: INVALID_ARGUMENT for a member that is damaged, encrypted or packed by another method than deflate,
  //         and for a tensor of a dtype with elements smaller than a byte; RESOURCE_EXHAUSTED without memory for it.
  absl::StatusOr<Array> Read(std::size_t i);

  // CheckWhole says whether everything read is what the file held: if another process makes a mapped file smaller, the
  // part behind its new end reads as zeros. Call it after the last use of the arrays, and before you believe what was
  // computed from them.
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

  // Returns the names of the members of a .npz that are not arrays.
  const std::vector<std::string>& skipped_members() const { return skipped_members_; }

  // CheckWhole is ArrayReader::CheckWhole of the file.
  absl::Status CheckWhole() const { return reader_.CheckWhole(); }

 private:
  explicit ArrayFile(ArrayReader reader) : reader_(std::move(reader)) {}
  ArrayReader reader_;
  std::vector<Array> arrays_;
  std::vector<std::string> skipped_members_;
};

}  // namespace tensorferry::client
