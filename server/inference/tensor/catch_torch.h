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
#include "inference/tensor/torch_log.h"

namespace tensorferry::inference {

// Makes MEMORY_BUDGET, with a retry delay.
absl::Status NotEnoughMemory(std::string_view log_text);

// Turns the text with which libtorch reports a failed operator into an error of ours: OPERATOR_UNSUPPORTED, with
// operator and dtype, if the operator has no kernel for the dtype; MEMORY_BUDGET if there was no memory; else
// `otherwise`, with the line of the text that says most. What the message does not say goes to the log only.
absl::Status TranslateTorchError(std::string_view text, Reason otherwise);

// StatusOrOf<T> is absl::StatusOr<T>, but for T = absl::Status and absl::StatusOr<U> it is T itself.
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

// Calls `call`, and turns an exception of libtorch into a status. All code that calls libtorch runs inside CatchTorch,
// so its warnings go to the log from every thread.
template <typename Call>
auto CatchTorch(Reason otherwise, Call&& call) -> typename StatusOrOf<std::invoke_result_t<Call>>::Type {
  SendWarningsToLog();
  try {
    return std::forward<Call>(call)();
  } catch (const c10::Error& error) {
    return TranslateTorchError(error.what_without_backtrace(), otherwise);
  } catch (const std::bad_alloc& error) {
    return NotEnoughMemory(error.what());
  } catch (const std::exception& error) {  // TorchScript throws JITException and ErrorReport.
    return TranslateTorchError(error.what(), otherwise);
  }
}

}  // namespace tensorferry::inference
