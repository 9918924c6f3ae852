#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace tensorferry {

// Reason says why a request was refused or failed. The list is closed, and callers program against it: docs/errors.md
// has an entry for each.
enum class Reason : std::uint8_t {
  kUnsupportedDtype,
  kAmbiguousDtype,
  kObjectDtype,
  kBadDtype,
  kBadShape,
  kTooManyDims,
  kSizeOverflow,
  kSizeMismatch,
  kByteOrder,
  kBoolRange,
  kBadMagic,
  kBadVersion,
  kBadHeader,
  kTrailingBytes,
  kMissingPayload,
  kConflictingFields,
  kBadChunk,
  kTensorTooLarge,
  kBadName,
  kInputMismatch,
  kUnknownOutput,
  kBadSharedMemory,
  kModelNotFound,
  kRegionNotFound,
  kMemoryBudget,
  kQueueFull,
  kModelNotReady,
  kDraining,
  kSharedMemoryDisabled,
  kOperatorUnsupported,
  kDeadline,
  kCancelled,
  kUnauthenticated,
  kPermissionDenied,
  kModelFailed,
  kInternal,
};

struct ReasonInfo {
  Reason reason;
  std::string_view name;  // The text on the wire: ErrorInfo.reason and Error.reason.
  absl::StatusCode code;  // Its number equals that of google.rpc.Code and grpc::StatusCode.
};

inline constexpr auto kReasons = std::to_array<ReasonInfo>({
    {Reason::kUnsupportedDtype, "UNSUPPORTED_DTYPE", absl::StatusCode::kInvalidArgument},
    {Reason::kAmbiguousDtype, "AMBIGUOUS_DTYPE", absl::StatusCode::kInvalidArgument},
    {Reason::kObjectDtype, "OBJECT_DTYPE", absl::StatusCode::kInvalidArgument},
    {Reason::kBadDtype, "BAD_DTYPE", absl::StatusCode::kInvalidArgument},
    {Reason::kBadShape, "BAD_SHAPE", absl::StatusCode::kInvalidArgument},
    {Reason::kTooManyDims, "TOO_MANY_DIMS", absl::StatusCode::kInvalidArgument},
    {Reason::kSizeOverflow, "SIZE_OVERFLOW", absl::StatusCode::kInvalidArgument},
    {Reason::kSizeMismatch, "SIZE_MISMATCH", absl::StatusCode::kInvalidArgument},
    {Reason::kByteOrder, "BYTE_ORDER", absl::StatusCode::kInvalidArgument},
    {Reason::kBoolRange, "BOOL_RANGE", absl::StatusCode::kInvalidArgument},
    {Reason::kBadMagic, "BAD_MAGIC", absl::StatusCode::kInvalidArgument},
    {Reason::kBadVersion, "BAD_VERSION", absl::StatusCode::kInvalidArgument},
    {Reason::kBadHeader, "BAD_HEADER", absl::StatusCode::kInvalidArgument},
    {Reason::kTrailingBytes, "TRAILING_BYTES", absl::StatusCode::kInvalidArgument},
    {Reason::kMissingPayload, "MISSING_PAYLOAD", absl::StatusCode::kInvalidArgument},
    {Reason::kConflictingFields, "CONFLICTING_FIELDS", absl::StatusCode::kInvalidArgument},
    {Reason::kBadChunk, "BAD_CHUNK", absl::StatusCode::kInvalidArgument},
    {Reason::kTensorTooLarge, "TENSOR_TOO_LARGE", absl::StatusCode::kInvalidArgument},
    {Reason::kBadName, "BAD_NAME", absl::StatusCode::kInvalidArgument},
    {Reason::kInputMismatch, "INPUT_MISMATCH", absl::StatusCode::kInvalidArgument},
    {Reason::kUnknownOutput, "UNKNOWN_OUTPUT", absl::StatusCode::kInvalidArgument},
    {Reason::kBadSharedMemory, "BAD_SHARED_MEMORY", absl::StatusCode::kInvalidArgument},
    {Reason::kModelNotFound, "MODEL_NOT_FOUND", absl::StatusCode::kNotFound},
    {Reason::kRegionNotFound, "REGION_NOT_FOUND", absl::StatusCode::kNotFound},
    {Reason::kMemoryBudget, "MEMORY_BUDGET", absl::StatusCode::kResourceExhausted},
    {Reason::kQueueFull, "QUEUE_FULL", absl::StatusCode::kResourceExhausted},
    {Reason::kModelNotReady, "MODEL_NOT_READY", absl::StatusCode::kUnavailable},
    {Reason::kDraining, "DRAINING", absl::StatusCode::kUnavailable},
    {Reason::kSharedMemoryDisabled, "SHARED_MEMORY_DISABLED", absl::StatusCode::kFailedPrecondition},
    {Reason::kOperatorUnsupported, "OPERATOR_UNSUPPORTED", absl::StatusCode::kUnimplemented},
    {Reason::kDeadline, "DEADLINE", absl::StatusCode::kDeadlineExceeded},
    {Reason::kCancelled, "CANCELLED", absl::StatusCode::kCancelled},
    {Reason::kUnauthenticated, "UNAUTHENTICATED", absl::StatusCode::kUnauthenticated},
    {Reason::kPermissionDenied, "PERMISSION_DENIED", absl::StatusCode::kPermissionDenied},
    {Reason::kModelFailed, "MODEL_FAILED", absl::StatusCode::kInternal},
    {Reason::kInternal, "INTERNAL", absl::StatusCode::kInternal},
});

constexpr const ReasonInfo& Info(Reason reason) { return kReasons.at(static_cast<std::size_t>(reason)); }

constexpr std::optional<Reason> ParseReason(std::string_view name) {
  const auto row = std::ranges::find(kReasons, name, &ReasonInfo::name);
  return row == kReasons.end() ? std::nullopt : std::optional(row->reason);
}

static_assert(std::ranges::all_of(kReasons, [](const auto& row) { return &Info(row.reason) == &row; }),
              "kReasons has a row for each Reason, in the same order");

}  // namespace tensorferry
