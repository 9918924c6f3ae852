#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tracing/trace_context.h"

namespace tensorferry::tracing {

// CallSpans is what the spans of one request are made of: the server's span, and one for each stage that took time.
struct CallSpans {
  using Time = std::chrono::system_clock::time_point;

  CallTrace trace;
  std::string trace_state;  // The caller's `tracestate`, as it came.
  std::string method;       // `package.Service/Method`.
  std::string code;         // The name of the status: "OK".
  std::string reason;       // Empty if the request was answered well.
  bool is_fault = false;    // Whether the server is at fault, and not the caller.
  std::string peer;
  std::string request_id;
  std::string model;
  std::string model_version;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  Time begin;
  Time end;
  // The stages in their order. They begin at `begin`, but for `send`, which ends at `end`; between them the response is
  // made.
  std::chrono::nanoseconds receive{0}, queue{0}, run{0}, send{0};
};

}  // namespace tensorferry::tracing
