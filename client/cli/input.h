#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "tensorferry/client/array_file.h"

namespace tensorferry::cli {

// The arrays of one file, and `--dtype` said of those whose void descr leaves open what they hold; of a file's only
// array always, so that a name that contradicts it is refused. Members that are not arrays are listed on standard
// error.
absl::StatusOr<client::ArrayFile> LoadArrays(const std::string& path, const std::string& dtype);

}  // namespace tensorferry::cli
