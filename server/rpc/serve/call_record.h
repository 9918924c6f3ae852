#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "payload/dtype.h"

namespace tensorferry::rpc {

// ReceivedTensor is what became of one array of a request.
struct ReceivedTensor {
  DType dtype;       // The array's.
  bool dtype_equal;  // As Receipt::dtype_equal.
  std::uint64_t nbytes;
};

// CallRecord is what is known of one request when it ends, for those steps of the chain that record: metrics, logs,
// traces. A request that was refused has what was known until then; the rest is empty or zero.
struct CallRecord {
  using Clock = std::chrono::steady_clock;

  Clock::time_point start = Clock::now();  // The time when the request came to the chain.
  Clock::time_point end{};                 // The time when its end was told to the steps.
  std::uint64_t bytes_in = 0;              // The messages of the request, and its chunks.
  std::uint64_t bytes_out = 0;             // The messages of the response, and its chunks.
  std::uint64_t messages_in = 0;           // How many messages and chunks the request had.
  std::uint64_t messages_out = 0;          // How many messages and chunks the response has.
  std::uint64_t element_bytes_out = 0;     // Elements that an answered request gives back.
  std::string_view request_id{};           // The caller's. Borrowed until CallStep::End has returned.
  // The model that ran; of a refused request the one that it names, printable and cut. Empty if it names none.
  std::string model{};
  std::string model_version{};
  // The arrays of a request that was answered. Borrowed until CallStep::End has returned.
  std::span<const ReceivedTensor> tensors{};
  // The stages of a request that was answered, as Timing in the protocol states them.
  std::chrono::nanoseconds receive{0}, convert{0}, queue{0}, compute{0};

  // Returns how long the request took; it has ended.
  Clock::duration duration() const { return end - start; }
};

}  // namespace tensorferry::rpc
