#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/array_file.h"

namespace tensorferry::cli {

// What `--dtype` says, and of which arrays.
struct NamedDType {
  std::string name;       // Empty: it was not given.
  bool only_file = true;  // No other file was given.
};

// A file of the command line.
class InputFile {
 public:
  // Lists members that are not arrays on standard error.
  // Errors: those of client::ArrayReader::Open.
  static absl::StatusOr<InputFile> Open(const std::string& path, NamedDType dtype);

  const std::string& path() const { return path_; }
  std::span<const std::string> names() const { return reader_.names(); }
  std::span<const std::string> skipped() const { return reader_.skipped_members(); }

  // Errors: INVALID_ARGUMENT if the file has members and none of them is an array: nothing could be converted.
  absl::Status CheckHasArrays() const;

  // The array called names()[i]. `--dtype` is said of it if its void descr leaves open what it holds; of the only array
  // of the only file always, so that a name that contradicts it is refused.
  // Errors: those of client::ArrayReader::Read.
  absl::StatusOr<client::Array> Read(std::size_t i);

  // Errors: DATA_LOSS if the file has become smaller, so that its arrays may have been read as zeros.
  absl::Status CheckWhole() const { return reader_.CheckWhole(); }

 private:
  InputFile(std::string path, NamedDType dtype, client::ArrayReader reader);

  std::string path_;
  NamedDType dtype_;
  client::ArrayReader reader_;
};

}  // namespace tensorferry::cli
