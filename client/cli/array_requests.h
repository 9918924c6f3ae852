#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/input.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

// What came of one array of a file.
struct ArrayAnswer {
  std::string name;
  std::optional<client::Array> array;         // Nothing: it could not be read, and was not sent.
  absl::StatusOr<client::Response> response;  // Has one tensor.
};

// Sends each array of `file` as a request of its own, on one stream if there are several, and calls `take` with the
// answers in the file's order until it returns false. Holds few arrays at a time, and only one where they are large.
void ConvertEach(client::Client& client, InputFile& file, const client::ConvertOptions& options,
                 const std::function<bool(ArrayAnswer)>& take);

}  // namespace tensorferry::cli
