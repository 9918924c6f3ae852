#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "tensorferry/client/server_info.h"

namespace tensorferry::cli {

// BenchTarget is what `bench` sends, as far as the server decides it.
struct BenchTarget {
  std::size_t chunk_bytes = 0;
  client::TensorSpec input;  // The model's only input; empty without a model, or if the server does not list it.
};

// MakeBenchTarget chooses what to send. Where the user has not said it, `arguments` get the dtype of the model's input,
// and sizes that its shape allows.
// Errors: INVALID_ARGUMENT with one line, if every request would be refused: the model has several inputs and none is
//         bound to a file, or takes no numbers, or its shape does not allow a size that the user has asked for.
absl::StatusOr<BenchTarget> MakeBenchTarget(const client::ServerInfo& info,
                                            const std::vector<client::ModelInfo>& models, Arguments& arguments);

}  // namespace tensorferry::cli
