#pragma once

#include <grpc/support/time.h>
#include <grpcpp/server_context.h>

#include <chrono>

namespace tensorferry::rpc {

// Returns the call's deadline. One that the clock cannot tell is the latest that it can: callers who mean "never" set
// deadlines thousands of years ahead, and gRPC's deadline() overflows beyond the year 2262.
inline std::chrono::system_clock::time_point DeadlineOf(const grpc::ServerContext& context) {
  using Clock = std::chrono::system_clock;
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(Clock::time_point::max().time_since_epoch());
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_REALTIME);
  return deadline.tv_sec >= kLast.count() ? Clock::time_point::max() : context.deadline();
}

}  // namespace tensorferry::rpc
