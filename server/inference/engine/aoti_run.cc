#include "inference/engine/aoti_run.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/csrc/shim_exception_state.h>

#include <stdexcept>
#include <utility>

#include "base/status.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

// Returns the function of torch's C interface of which `text` says that its call failed. Returns an empty text if it
// says no such thing.
std::string_view FailedFunction(std::string_view text) {
  constexpr std::string_view kInterface = "aoti_torch_", kFailed = " API call failed at ";
  if (!text.starts_with(kInterface) || text.find(kFailed) == std::string_view::npos) return {};
  return text.substr(0, text.find('('));
}

bool IsOperator(std::string_view name, std::string_view overload) {
  const c10::OperatorName wanted(fmt::format("aten::{}", name), std::string(overload));
  return c10::Dispatcher::singleton().findSchema(wanted).has_value();
}

absl::Status ErrorOf(std::string_view text) {
  // torch keeps the words for the thread, until another operator fails in it.
  return TranslatePackageError(text, torch::csrc::shim::details::get_torch_exception_what_without_backtrace());
}

}  // namespace

absl::StatusOr<std::vector<at::Tensor>> RunPackage(torch::inductor::AOTIModelContainerRunner& runner,
                                                   std::vector<at::Tensor> arguments) {
  try {
    return runner.boxed_run(std::move(arguments));
  } catch (const c10::Error& error) {
    return ErrorOf(error.what_without_backtrace());
  } catch (const std::runtime_error& error) {
    return ErrorOf(error.what());
  }
}

std::string OperatorOfFunction(std::string_view function) {
  for (const std::string_view device : {"aoti_torch_cpu_", "aoti_torch_cuda_"}) {
    if (!function.starts_with(device)) continue;
    const std::string_view name = function.substr(device.size());
    if (IsOperator(name, "")) return fmt::format("aten::{}", name);
    for (std::size_t at = name.rfind('_'); at != std::string_view::npos && at > 0; at = name.rfind('_', at - 1)) {
      if (IsOperator(name.substr(0, at), name.substr(at + 1))) {
        return fmt::format("aten::{}.{}", name.substr(0, at), name.substr(at + 1));
      }
    }
  }
  return {};
}

absl::Status TranslatePackageError(std::string_view text, std::string_view words) {
  const std::string_view function = FailedFunction(text);
  if (function.empty() || words.empty()) return TranslateTorchError(text, Reason::kModelFailed);
  const absl::Status status = TranslateTorchError(words, Reason::kModelFailed);
  const std::string name = OperatorOfFunction(function);
  if (name.empty() || ReasonOf(status) != Reason::kModelFailed) return status;
  return WithMessage(fmt::format("{}: {}", name, DescribeError(status).message), status);
}

}  // namespace tensorferry::inference
