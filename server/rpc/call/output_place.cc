#include "rpc/call/output_place.h"

#include <vector>

#include "base/sealed_regions.h"
#include "base/status.h"

namespace tensorferry::rpc {
namespace {

constexpr std::uint64_t kAlignment = 64;  // Of elements in their region, in bytes: that of a cache line.

// Copies of so many bytes take about a millisecond, as messages do that are read on another thread.
constexpr std::uint64_t kLongNbytes = std::uint64_t{4} << 20;

}  // namespace

absl::StatusOr<OutputPlace> OutputPlace::Find(const SharedPlace& place, const CallerMemory& memory) {
  if (memory.sealed != nullptr && SealedRegions::IsName(place.region)) {
    TENSORFERRY_ASSIGN_OR_RETURN(OutputRange range,
                                 memory.sealed->FindOutput(place.region, place.offset, place.nbytes));
    return OutputPlace(place.region, std::move(range));
  }
  TENSORFERRY_ASSIGN_OR_RETURN(SharedRange range, memory.registered.Find(place.region, place.offset, place.nbytes));
  return OutputPlace(place.region, std::move(range));
}

std::uint64_t OutputPlace::offset() const {
  return std::visit([](const auto& range) { return range.offset; }, range_);
}

std::uint64_t OutputPlace::nbytes() const {
  return std::visit([](const auto& range) { return range.nbytes; }, range_);
}

absl::Status OutputPlace::Write(std::uint64_t at, std::span<const std::byte> content) const {
  if (const auto* const handed_over = std::get_if<OutputRange>(&range_)) {
    handed_over->Write(at, content);
    return absl::OkStatus();
  }
  const SharedRange& range = std::get<SharedRange>(range_);
  return SharedRange{range.region, range.offset + at, range.nbytes - at}.Write(content);
}

absl::StatusOr<std::optional<OutputPlace>> OutputPlaceOf(const RequestView& request, const CallerMemory& memory) {
  if (!request.output_memory) return std::optional<OutputPlace>();
  TENSORFERRY_ASSIGN_OR_RETURN(OutputPlace place, OutputPlace::Find(*request.output_memory, memory));
  return std::optional(std::move(place));
}

absl::Status WriteWhatFits(const OutputPlace& place, Response& response) {
  response.written.region = place.region();
  std::uint64_t at = 0;
  for (auto* const tensors : {&response.result.tensors, &response.result.outputs}) {
    for (inference::TensorResult& tensor : *tensors) {
      auto& written_to = response.written.offsets.emplace_back();
      if (!tensor.elements || tensor.elements->bytes.empty()) continue;
      const std::uint64_t over = (place.offset() + at) % kAlignment;
      const std::uint64_t start = over == 0 ? at : at + kAlignment - over;
      const std::uint64_t nbytes = tensor.elements->bytes.size();
      if (start > place.nbytes() || nbytes > place.nbytes() - start) continue;
      TENSORFERRY_RETURN_IF_ERROR(place.Write(start, tensor.elements->bytes));
      written_to = place.offset() + start;
      tensor.elements.reset();
      at = start + nbytes;
    }
  }
  return absl::OkStatus();
}

bool IsLongToWrite(const inference::PipelineResponse& result) {
  std::uint64_t nbytes = 0;
  for (const auto* const tensors : {&result.tensors, &result.outputs}) {
    for (const inference::TensorResult& tensor : *tensors) {
      if (tensor.elements) nbytes += tensor.elements->bytes.size();
    }
  }
  return nbytes >= kLongNbytes;
}

}  // namespace tensorferry::rpc
