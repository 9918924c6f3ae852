#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/input.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

// ArrayAnswer says what became of one array of a file.
struct ArrayAnswer {
  std::string name;
  std::optional<client::Array> array;         // Nothing if the array could not be read; then it was not sent.
  absl::StatusOr<client::Response> response;  // An OK response has one tensor.
};

// ConvertEach sends each array of `file` as a request of its own, on one stream if there are several. It calls `take`
// with the answers, in the file's order, until `take` returns false. It holds few arrays at a time, and only one if
// they are large.
void ConvertEach(client::Client& client, InputFile& file, const client::ConvertOptions& options,
                 const std::function<bool(ArrayAnswer)>& take);

}  // namespace tensorferry::cli
