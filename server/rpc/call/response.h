#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "inference/result.h"
#include "rpc/serve/call_gate.h"

namespace tensorferry::rpc {

// The response to one request, before a protocol encodes it.
struct Response {
  std::string request_id;
  inference::PipelineResponse result;  // Its convert_time includes the copy of the elements.
  std::chrono::nanoseconds receive_time{0};
  std::optional<CallGate::Pass> pass{};  // Counts the request as worked on until the response is sent.
};

}  // namespace tensorferry::rpc
