#pragma once

#include <chrono>
#include <string_view>

#include "inference/result.h"

namespace tensorferry::rpc {

// The response to one request, before its protocol encodes it.
struct Response {
  std::string_view request_id;         // Set, and borrowed, by the protocol that encodes.
  inference::PipelineResponse result;  // Its convert_time includes the copy of the elements.
  std::chrono::nanoseconds receive_time{0};
};

}  // namespace tensorferry::rpc
