#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/array_file.h"

namespace tensorferry::cli {

// NamedDType is the value of `--dtype`, and whether it is said of a single file.
struct NamedDType {
  std::string name;       // Empty if `--dtype` was not given.
  bool only_file = true;  // The command line has no other file.
};

// InputFile is a file of the command line.
class InputFile {
 public:
  // Opens the file, and lists its members that are not arrays on standard error.
  // Errors: those of client::ArrayReader::Open.
  static absl::StatusOr<InputFile> Open(const std::string& path, NamedDType dtype);

  const std::string& path() const { return path_; }
  std::span<const std::string> names() const { return reader_.names(); }
  std::span<const std::string> skipped() const { return reader_.skipped_members(); }

  // Errors: INVALID_ARGUMENT if the file has members and none of them is an array, so that nothing can be converted.
  absl::Status CheckHasArrays() const;

  // Returns the array called names()[i]. `--dtype` applies to an array whose void descr leaves its type open. It always
  // applies to the only array of the only file, so that a name that contradicts the file is refused.
  // Errors: those of client::ArrayReader::Read; CONFLICTING_FIELDS if `--dtype` contradicts a safetensors file.
  absl::StatusOr<client::Array> Read(std::size_t i);

  // Errors: DATA_LOSS if the file has become smaller, so that arrays may have been read as zeros.
  absl::Status CheckWhole() const { return reader_.CheckWhole(); }

 private:
  InputFile(std::string path, NamedDType dtype, client::ArrayReader reader);

  std::string path_;
  NamedDType dtype_;
  client::ArrayReader reader_;
};

}  // namespace tensorferry::cli
