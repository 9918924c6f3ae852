// The protocol's names of datatypes.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "payload/dtype.h"

namespace tensorferry::rpc {

// Strings.
inline constexpr std::string_view kBytes = "BYTES";

// Null: there is none of this name that torch has.
const DTypeInfo* DTypeByOip(std::string_view name);

// Of a dtype by torch's name, or inference::kStrings; empty stays empty.
std::string_view OipNameOf(std::string_view dtype);

// The error for a name that is none, with those that are.
absl::Status UnknownDatatype(std::string_view name);

}  // namespace tensorferry::rpc
