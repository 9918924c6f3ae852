#include "rpc/oip/datatype.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"
#include "inference/model_info.h"

namespace tensorferry::rpc {

const DTypeInfo* DTypeByOip(std::string_view name) {
  const auto* const row = std::ranges::find(kDTypes, name, &DTypeInfo::oip);
  return row == kDTypes.end() ? nullptr : row;
}

std::string_view OipNameOf(std::string_view dtype) {
  if (dtype == inference::kStrings) return kBytes;
  const auto known = DTypeByName(dtype);
  return known ? Info(*known).oip : std::string_view();
}

absl::Status UnknownDatatype(std::string_view name) {
  std::string known(kBytes);
  for (const DTypeInfo& dtype : kDTypes) known += fmt::format(", {}", dtype.oip);
  return MakeError(Reason::kBadDtype, fmt::format("there is no datatype {}; there are {}", Quote(name), known),
                   {.field = "datatype", .expected = known, .actual = Quote(name)});
}

}  // namespace tensorferry::rpc
