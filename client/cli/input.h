#pragma once

#include <optional>
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

// InputFile is a file of the command line, or one array of it.
class InputFile {
 public:
  // Opens the file `path`, or of FILE:ARRAY, if there is no file of that whole name, the array called so of FILE. Without
  // an ARRAY, members that are not arrays are listed on standard error.
  // Errors: those of client::ArrayReader::Open; NOT_FOUND if the file has no such array.
  static absl::StatusOr<InputFile> Open(const std::string& path, NamedDType dtype);

  const std::string& path() const { return path_; }
  std::span<const std::string> names() const;
  std::span<const std::string> skipped() const;

  // Errors: INVALID_ARGUMENT if the file has members and none of them is an array, so that nothing can be converted.
  absl::Status CheckHasArrays() const;

  // Errors: INVALID_ARGUMENT if the file has more arrays than one, or none, so that input `name` cannot be one of it.
  absl::Status CheckHasOneArray(const std::string& name) const;

  // Returns the array called names()[i]. `--dtype` applies to an array whose void descr leaves its type open. It always
  // applies to the only array of the only file, so that a name that contradicts the file is refused.
  // Errors: those of client::ArrayReader::Read; CONFLICTING_FIELDS if `--dtype` contradicts a safetensors file.
  absl::StatusOr<client::Array> Read(std::size_t i);

  // Errors: DATA_LOSS if the file has become smaller, so that arrays may have been read as zeros.
  absl::Status CheckWhole() const { return reader_.CheckWhole(); }

 private:
  InputFile(std::string path, NamedDType dtype, client::ArrayReader reader);
  absl::Status Choose(const std::string& array);

  std::string path_;
  NamedDType dtype_;
  client::ArrayReader reader_;
  std::optional<std::size_t> chosen_;  // The index of the only array that is asked for; none: all are.
};

}  // namespace tensorferry::cli
