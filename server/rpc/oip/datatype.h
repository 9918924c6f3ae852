// The names of datatypes in the Open Inference Protocol.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "payload/dtype.h"

namespace tensorferry::rpc {

// kBytes is the datatype of strings.
inline constexpr std::string_view kBytes = "BYTES";

// Returns null if torch has no dtype of this name.
const DTypeInfo* DTypeByOip(std::string_view name);

// Returns the protocol's name of a dtype, given torch's name or inference::kStrings; empty for others.
std::string_view OipNameOf(std::string_view dtype);

// Returns the error for a name that is no datatype; it lists those that are.
absl::Status UnknownDatatype(std::string_view name);

}  // namespace tensorferry::rpc
