// Memory of a caller on the same machine to which elements are written, in the place of being sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/output_memory.h"
#include "base/shared_memory.h"
#include "inference/result.h"
#include "rpc/call/request_check.h"
#include "rpc/call/request_view.h"
#include "rpc/call/response.h"

namespace tensorferry::rpc {

// OutputPlace is a range of a registered region, or of one that a peer has handed over for outputs.
class OutputPlace {
 public:
  // Errors: those of SharedRegions::Find and SealedRegions::FindOutput.
  static absl::StatusOr<OutputPlace> Find(const SharedPlace& place, const CallerMemory& memory);

  const std::string& region() const { return region_; }  // Its name.
  std::uint64_t offset() const;                          // The bytes of the region before the place.
  std::uint64_t nbytes() const;

  // Copies `content`, which fits, to the byte `at` of the place.
  // Errors: BAD_SHARED_MEMORY if the region has become smaller.
  absl::Status Write(std::uint64_t at, std::span<const std::byte> content) const;

 private:
  OutputPlace(std::string_view region, std::variant<SharedRange, OutputRange> range)
      : region_(region), range_(std::move(range)) {}

  std::string region_;
  std::variant<SharedRange, OutputRange> range_;
};

// Returns the place that a request names; nothing if it names none.
// Errors: those of OutputPlace::Find.
absl::StatusOr<std::optional<OutputPlace>> OutputPlaceOf(const RequestView& request, const CallerMemory& memory);

// Writes the elements of tensors and outputs to `place`, in this order, each to a multiple of 64 bytes of the region.
// Response::written says where, and what was written has no elements any more; what does not fit stays as it is.
// `response` then borrows the name of the region from `place`.
// Errors: those of OutputPlace::Write.
absl::Status WriteWhatFits(const OutputPlace& place, Response& response);

// Returns whether to write the elements of `result` takes so long that it belongs on a thread of the WorkerPool.
bool IsLongToWrite(const inference::PipelineResponse& result);

}  // namespace tensorferry::rpc
