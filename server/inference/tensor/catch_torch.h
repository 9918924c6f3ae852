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

// What libtorch says when an operator fails, as an error of ours: OPERATOR_UNSUPPORTED, with operator and dtype, where
// it has no kernel for the dtype; MEMORY_BUDGET where it had no memory; else `otherwise`, with the last line of the
// text. The whole text goes to our log only.
absl::Status TranslateTorchError(std::string_view text, Reason otherwise);

// absl::StatusOr<T> of a T, and of an absl::StatusOr<T>; an absl::Status stays one.
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

// Run `call`, turning what libtorch throws into a status. The only place in inference/ that catches.
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
