#pragma once

#include <cstdint>
#include <span>

#include "tensorferry/client/array.h"
#include "tensorferry/client/server_info.h"

namespace tensorferry::cli {

// ExpectedOutputBytes returns how many bytes of memory take the outputs of a model that is run on these arrays: each the
// next multiple of 64, as servers place them. The version is the last of `versions` that is ready, as a server chooses.
// Where it leaves the first dimension of all its inputs open, that of an output is the rows of the first array. 0: it does
// not say how large all its outputs are, or none is ready.
std::uint64_t ExpectedOutputBytes(std::span<const client::ModelInfo> versions, std::span<const client::Array> arrays);

}  // namespace tensorferry::cli
