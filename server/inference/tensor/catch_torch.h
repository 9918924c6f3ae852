#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status.h"

namespace tensorferry::inference {

// MEMORY_BUDGET, with a retry delay.
absl::Status NotEnoughMemory(std::string_view log_text);

// Turns what libtorch says when an operator fails into an error of ours: OPERATOR_UNSUPPORTED, with operator and dtype,
// if it has no kernel for the dtype; MEMORY_BUDGET if it had no memory; else `otherwise`, with the line of the text
// that tells most. The whole text goes to the log alone.
absl::Status TranslateTorchError(std::string_view text, Reason otherwise);

// StatusOrOf<T> is absl::StatusOr<T>; absl::StatusOr and absl::Status stay what they are.
template <typename T>
struct StatusOrOf {
  using Type = absl::StatusOr<T>;
};
template <typename T>
struct StatusOrOf<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};
template <>
struct StatusOrOf<absl::Status> {
  using Type = absl::Status;
};

// Calls `call` and turns what libtorch throws into a status. Whatever calls libtorch is called by CatchTorch.
template <typename Call>
auto CatchTorch(Reason otherwise, Call&& call) -> typename StatusOrOf<std::invoke_result_t<Call>>::Type {
  try {
    return std::forward<Call>(call)();
  } catch (const c10::Error& error) {
    return TranslateTorchError(error.what_without_backtrace(), otherwise);
  } catch (const std::bad_alloc& error) {
    return NotEnoughMemory(error.what());
  } catch (const std::exception& error) {  // TorchScript: JITException, ErrorReport.
    return TranslateTorchError(error.what(), otherwise);
  }
}

}  // namespace tensorferry::inference
