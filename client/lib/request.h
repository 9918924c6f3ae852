#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/convert_options.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {

// Requests with more bytes of arrays than this go in chunks: the largest message that stays cheap, and gRPC's own
// default limit.
inline constexpr std::uint64_t kMaxInlineBytes = 4 * 1024 * 1024;

// A request as it goes over the wire.
struct PreparedRequest {
  v1::ConvertRequest message;
  std::vector<std::span<const std::byte>> chunked;  // Elements that follow it, one array after the other; borrowed.
};

// Bytes of all arrays.
std::uint64_t TotalBytes(std::span<const Array> arrays);

// With at most kMaxInlineBytes the arrays are copied into the message, for the server to check. Larger ones are
// declared there and follow in chunks; a .npy file is then checked here, since the server sees its elements only.
// Errors: those of CheckElements.
absl::StatusOr<PreparedRequest> PrepareRequest(std::span<const Array> arrays, const ConvertOptions& options);

}  // namespace tensorferry::client
