#include "rpc/oip/infer_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <unordered_set>

#include "base/status.h"
#include "payload/dtype.h"
#include "rpc/call/request_check.h"
#include "rpc/oip/datatype.h"
#include "rpc/oip/typed_contents.h"
#include "rpc/oip/version_text.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {
namespace {

constexpr std::string_view kRegion = "shared_memory_region";
constexpr std::string_view kByteSize = "shared_memory_byte_size";
constexpr std::string_view kOffset = "shared_memory_offset";
constexpr std::string_view kClassification = "classification";

absl::Status BadParameter(std::string_view name, const std::string& expected) {
  return MakeError(Reason::kInputMismatch, fmt::format("parameter {} must be {}", Quote(name), expected),
                   {.field = "parameters", .expected = expected});
}

// Returns the parameter's number; an error if it is less than `least`.
absl::StatusOr<std::uint64_t> ReadNumber(const ParameterView& parameter, std::int64_t least) {
  if (const auto* const value = std::get_if<std::uint64_t>(&parameter.value)) return *value;
  const auto* const value = std::get_if<std::int64_t>(&parameter.value);
  if (value != nullptr && *value >= least) return static_cast<std::uint64_t>(*value);
  return BadParameter(parameter.name, fmt::format("an integer (int64_param) of {} or more", least));
}

// Fills `place` from a parameter that is part of it. Returns false for other parameters.
absl::StatusOr<bool> ReadPlace(const ParameterView& parameter, SharedPlace& place) {
  if (parameter.name == kRegion) {
    const auto* const region = std::get_if<std::string_view>(&parameter.value);
    if (region == nullptr || region->empty()) return BadParameter(kRegion, "a region's name (string_param)");
    place.region = *region;
  } else if (parameter.name == kByteSize) {
    TENSORFERRY_ASSIGN_OR_RETURN(place.nbytes, ReadNumber(parameter, 0));
  } else if (parameter.name == kOffset) {
    TENSORFERRY_ASSIGN_OR_RETURN(place.offset, ReadNumber(parameter, 0));
  } else {
    return false;
  }
  return true;
}

absl::StatusOr<SharedPlace> ReadPlace(const std::vector<ParameterView>& parameters) {
  SharedPlace place;
  for (const ParameterView& parameter : parameters) TENSORFERRY_RETURN_IF_ERROR(ReadPlace(parameter, place).status());
  const bool has_size = std::ranges::count(parameters, kByteSize, &ParameterView::name) > 0;
  if (place.region.empty() && (has_size || place.offset > 0)) return BadParameter(kRegion, "there, with the others");
  if (!place.region.empty() && !has_size) return BadParameter(kByteSize, "there, with the region");
  return place;
}

absl::Status ReadRequestParameter(const ParameterView& parameter, RequestView& request) {
  const std::string_view name = parameter.name;
  if (name == "priority") {
    TENSORFERRY_ASSIGN_OR_RETURN(request.priority, ReadNumber(parameter, 0));
  } else if (name == "timeout") {
    TENSORFERRY_ASSIGN_OR_RETURN(const std::uint64_t timeout, ReadNumber(parameter, 0));
    constexpr std::uint64_t kLongest = 1'000'000ULL * 3600 * 24 * 365;
    request.timeout = std::chrono::microseconds(std::min(timeout, kLongest));
  } else if (name == "sequence_start" || name == "sequence_end" || name == "triton_enable_empty_final_response") {
    if (!std::holds_alternative<bool>(parameter.value)) return BadParameter(name, "a bool (bool_param)");
  } else if (name == "sequence_id") {
    if (!std::holds_alternative<std::string_view>(parameter.value)) {
      TENSORFERRY_RETURN_IF_ERROR(ReadNumber(parameter, std::numeric_limits<std::int64_t>::min()).status());
    }
  } else if (name.starts_with("triton_")) {
    return MakeError(Reason::kInputMismatch, fmt::format("parameter {} is reserved, and not known", Quote(name)),
                     {.field = "parameters", .actual = Quote(name)});
  }
  return absl::OkStatus();
}

// RawContents hands out the request's raw_input_contents, one to each input that needs them.
class RawContents {
 public:
  explicit RawContents(const InferRequestView& view) : view_(view) {}

  bool any() const { return !view_.raw_input_contents.empty(); }

  absl::StatusOr<ScatteredBytes> Next() {
    if (taken_ < view_.raw_input_contents.size()) return view_.raw_input_contents[taken_++];
    ++taken_;
    return WrongNumber(fmt::format("at least {}", taken_));
  }

  absl::Status CheckAllTaken() const {
    if (taken_ == view_.raw_input_contents.size()) return absl::OkStatus();
    return WrongNumber(fmt::to_string(taken_));
  }

 private:
  absl::Status WrongNumber(const std::string& needed) const {
    const std::size_t count = view_.raw_input_contents.size();
    return MakeError(Reason::kInputMismatch,
                     fmt::format("expected {} raw_input_contents, one for each input that is not in shared memory, "
                                 "got {}",
                                 needed, count),
                     {.field = "raw_input_contents", .expected = needed, .actual = fmt::to_string(count)});
  }

  const InferRequestView& view_;
  std::size_t taken_ = 0;
};

absl::Status TakeTyped(const InferInputView& input, const DTypeInfo* dtype, ParsedMessage& parsed, ArrayView& array) {
  std::string& converted = parsed.contents.emplace_back();
  Bytes raw;
  if (dtype == nullptr) {
    TENSORFERRY_ASSIGN_OR_RETURN(raw, RawOfTypedStrings(*input.contents, converted));
  } else {
    TENSORFERRY_ASSIGN_OR_RETURN(raw, RawOfTyped(*input.contents, *dtype, converted));
    // The error counts elements, as the caller does, not bytes.
    const auto count = raw.size() / dtype->itemsize;
    if (const auto nbytes = ByteSize(input.shape, dtype->itemsize); nbytes.ok() && *nbytes != raw.size()) {
      return MakeError(Reason::kSizeMismatch,
                       fmt::format("{} with shape {} needs {} elements in contents, got {}", dtype->oip,
                                   ToText(input.shape), *nbytes / dtype->itemsize, count),
                       {.field = "contents",
                        .expected = fmt::to_string(*nbytes / dtype->itemsize),
                        .actual = fmt::to_string(count)});
    }
  }
  const Bytes& piece = parsed.pieces.emplace_back(raw);
  array.bytes = ScatteredBytes(&piece, 0, piece.size());
  return absl::OkStatus();
}

absl::Status TakeInput(const InferRequestView& view, const InferInputView& input, RawContents& raw,
                       ParsedMessage& parsed, ArrayView& array) {
  const DTypeInfo* const dtype = DTypeByOip(input.datatype);
  array.strings = input.datatype == kBytes;
  if (dtype == nullptr && !array.strings) return UnknownDatatype(input.datatype);
  if (dtype != nullptr) array.dtype = dtype->name;
  array.shape = input.shape;
  TENSORFERRY_ASSIGN_OR_RETURN(const SharedPlace place, ReadPlace(input.parameters));
  if (input.contents != nullptr && (raw.any() || !place.region.empty())) {
    return MakeError(
        Reason::kConflictingFields,
        fmt::format("contents field must not be specified when using {} for {} for model {}",
                    raw.any() ? "raw_input_contents" : "shared memory", Quote(input.name), Quote(view.model_name)),
        {.field = "contents", .expected = "unset"});
  }
  if (!place.region.empty()) {
    array.payload = PayloadKind::kSharedMemory;
    array.region = place.region;
    array.shared_offset = place.offset;
    array.shared_nbytes = place.nbytes;
    return absl::OkStatus();
  }
  array.payload = PayloadKind::kData;
  if (input.contents != nullptr) return TakeTyped(input, dtype, parsed, array);
  if (!raw.any() && std::ranges::find(input.shape, 0) != input.shape.end()) return absl::OkStatus();
  TENSORFERRY_ASSIGN_OR_RETURN(array.bytes, raw.Next());
  return absl::OkStatus();
}

// Returns nothing for an output that is sent as it is.
absl::StatusOr<std::optional<OutputPlan>> PlanOf(const InferOutputView& output, const CallerMemory& memory) {
  if (output.parameters.empty()) return std::nullopt;
  OutputPlan plan{.name = std::string(output.name)};
  for (const ParameterView& parameter : output.parameters) {
    if (parameter.name != kClassification) continue;
    TENSORFERRY_ASSIGN_OR_RETURN(plan.classes, ReadNumber(parameter, 1));
    if (plan.classes == 0) return BadParameter(kClassification, "1 or more");
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const SharedPlace place, ReadPlace(output.parameters));
  if (!place.region.empty()) {
    if (plan.classes > 0) {
      return MakeError(Reason::kConflictingFields, "classification and shared memory exclude each other",
                       {.field = "outputs.parameters"});
    }
    TENSORFERRY_ASSIGN_OR_RETURN(plan.shared, OutputPlace::Find(place, memory));
  }
  return plan.classes > 0 || plan.shared ? std::optional(std::move(plan)) : std::nullopt;
}

absl::Status TakeOutputs(const InferRequestView& view, const CallerMemory& memory, RequestView& request,
                         std::vector<OutputPlan>& plans) {
  std::unordered_set<std::string_view> seen;  // It takes no memory for one output, which is what most requests have.
  for (const InferOutputView& output : view.outputs) {
    if (view.outputs.size() > 1 && !seen.insert(output.name).second) continue;
    auto plan = PlanOf(output, memory);
    if (!plan.ok()) {
      TENSORFERRY_RETURN_IF_ERROR(CheckName(Term("requested_outputs"), output.name));
      return InOutput(output.name, plan.status());
    }
    if (*plan) plans.push_back(**std::move(plan));
    request.requested_outputs.push_back(output.name);
  }
  return absl::OkStatus();
}

// Returns the error as one of the input; if the name of the input is a bad one, that is the error, since nothing quotes
// a name that was not checked.
absl::Status OfInput(std::size_t index, std::string_view name, const absl::Status& error) {
  TENSORFERRY_RETURN_IF_ERROR(CheckName(fmt::format("{}[{}].name", Term("arrays"), index), name));
  return InArray(name, error);
}

}  // namespace

absl::Status Translate(const InferRequestView& view, const CallerMemory& memory, ParsedMessage& parsed,
                       RequestView& request, std::vector<OutputPlan>& plans) {
  plans.clear();
  TENSORFERRY_RETURN_IF_ERROR(CheckVersionText(view.model_version));
  request.request_id = view.id;
  request.model_name = view.model_name;
  request.model_version = view.model_version;
  request.priority = 0;
  request.timeout = {};
  request.requested_outputs.clear();
  request.arrays.clear();
  for (const ParameterView& parameter : view.parameters) {
    TENSORFERRY_RETURN_IF_ERROR(ReadRequestParameter(parameter, request));
  }
  RawContents raw(view);
  if (!raw.any()) {  // TakeTyped takes views into these two, so they must not move when they grow.
    parsed.contents.reserve(view.inputs.size());
    parsed.pieces.reserve(view.inputs.size());
  }
  for (const InferInputView& input : view.inputs) {
    ArrayView& array = request.arrays.emplace_back();
    array.name = input.name;
    const absl::Status taken = TakeInput(view, input, raw, parsed, array);
    if (!taken.ok()) return OfInput(request.arrays.size() - 1, input.name, taken);
  }
  TENSORFERRY_RETURN_IF_ERROR(raw.CheckAllTaken());
  return TakeOutputs(view, memory, request, plans);
}

}  // namespace tensorferry::rpc
