#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "inference/result.h"

namespace tensorferry::rpc {

// WrittenElements says which elements were written into memory of the caller's. Their TensorResults have none any more.
struct WrittenElements {
  std::string_view region{};  // Borrowed, as Response::request_id.
  // The first byte in the region, for each of the tensors and then of the outputs; nothing for those that are sent. Empty:
  // all are sent.
  std::vector<std::optional<std::uint64_t>> offsets{};
};

// Response is the response to one request, before its protocol encodes it.
struct Response {
  std::string_view request_id;         // The protocol that encodes the response sets it. Borrowed.
  inference::PipelineResponse result;  // Its convert_time includes the copy of the elements.
  std::chrono::nanoseconds receive_time{0};
  WrittenElements written{};
};

}  // namespace tensorferry::rpc
