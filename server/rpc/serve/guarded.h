#pragma once

#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "base/status.h"

namespace tensorferry::rpc {

// Calls `work` and returns its result, an absl::Status or absl::StatusOr. Turns an exception into an error, since it
// would end the process if it went further.
template <typename Work>
auto Guarded(Work&& work) -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (const std::bad_alloc&) {
    return MakeError(Reason::kMemoryBudget, "the system has no memory for this request now",
                     {.retry_after = std::chrono::milliseconds(1000)});
  } catch (const std::exception& error) {
    return MakeError(Reason::kInternal, "internal error", {.log_text = error.what()});
  }
}

}  // namespace tensorferry::rpc
