#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "files/npz_reader.h"
#include "files/owned_bytes.h"
#include "files/safetensors.h"
#include "payload/shape.h"

namespace tensorferry {

enum class FileFormat : std::uint8_t { kNpy, kNpz, kSafetensors };

// Returns the format of a file that begins with these bytes; nothing if they tell none.
std::optional<FileFormat> FormatOf(std::string_view begin);

// FileArray is one array of a file.
struct FileArray {
  std::string name;
  // The bytes are a whole .npy file, which states dtype and shape. Else they are elements, little-endian, in C order.
  bool is_npy = false;
  std::string dtype{};  // As a .npy file would spell it, where NumPy has the dtype; else its name. Not set for is_npy.
  Shape shape{};        // Not set for is_npy.
  OwnedBytes content{};
};

struct FileReaderOptions {
  std::string name;    // Of the array, if the file is a .npy, which has no name in it.
  NpzLimits limits{};  // For a .npz.
  std::uint64_t max_header_bytes = kMaxSafetensorsHeader;
};

// FileReader reads the arrays of a .npy, .npz or safetensors file that lies in memory, one by one. What is wrong with
// one array costs the others nothing.
//
// Memory:  all arrays are views of the file but deflated members of a .npz, each of which takes its own size.
// Threads: one at a time may use a FileReader.
class FileReader {
 public:
  // Errors: those of NpzReader::Open and of ParseSafetensorsHeader.
  static absl::StatusOr<FileReader> Open(FileFormat format, OwnedBytes file, FileReaderOptions options);

  FileReader(FileReader&&) noexcept;
  FileReader& operator=(FileReader&&) noexcept;
  ~FileReader();

  // Returns the names of the arrays: those of the members of a .npz, without `.npy`, or of the tensors of a safetensors
  // file, in the order of their elements.
  std::span<const std::string> names() const;

  // Returns the names of the members of a .npz that are not arrays.
  std::span<const std::string> skipped() const;

  // Returns the array called names()[i].
  // Errors: those of NpzReader::Read and of DTypeOf.
  absl::StatusOr<FileArray> Read(std::size_t i);

 private:
  class Format;
  class Npy;
  class Npz;
  class Safetensors;
  explicit FileReader(std::unique_ptr<Format> format);
  std::unique_ptr<Format> format_;
};

}  // namespace tensorferry
