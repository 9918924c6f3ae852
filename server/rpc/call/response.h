#pragma once

#include <chrono>
#include <string_view>

#include "inference/result.h"

namespace tensorferry::rpc {

// Response is the response to one request, before its protocol encodes it.
struct Response {
  std::string_view request_id;         // The protocol that encodes the response sets it. Borrowed.
  inference::PipelineResponse result;  // Its convert_time includes the copy of the elements.
  std::chrono::nanoseconds receive_time{0};
  std::string_view output_region{};  // The region of what has TensorResult::written_to. Borrowed, as request_id.
};

}  // namespace tensorferry::rpc
