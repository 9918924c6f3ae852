#include "inference/tensor/error_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace tensorferry::inference {
namespace {

constexpr std::string_view kMark = "<--- HERE";  // Stands under the code that failed, behind a row of tildes.

bool IsNamePart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

// Returns the code above the last row of tildes in a traceback, from where the row begins.
std::string_view FailedCode(std::string_view traceback) {
  const std::size_t mark = traceback.rfind(kMark);
  if (mark == std::string_view::npos) return {};
  const std::size_t row = traceback.rfind('\n', mark);
  if (row == std::string_view::npos || row == 0) return {};
  const std::size_t tildes = traceback.find('~', row);
  const std::size_t before = traceback.rfind('\n', row - 1);
  const std::size_t code = before == std::string_view::npos ? 0 : before + 1;
  const std::size_t column = tildes - (row + 1);
  if (tildes > mark || column >= row - code) return {};
  return traceback.substr(code + column, row - code - column);
}

std::string OperatorInTraceback(std::string_view text) {
  constexpr std::string_view kSerialized = "Traceback of TorchScript, serialized code";
  constexpr std::string_view kOriginal = "Traceback of TorchScript, original code";
  constexpr std::string_view kTorch = "torch.", kOthers = "ops.", kPrimitive = "prim.";
  const std::size_t begin = text.find(kSerialized);
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin);
  std::string_view code = FailedCode(text.substr(0, text.find(kOriginal)));
  code = code.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(code, IsNamePart) - code.begin()));
  if (code.starts_with(kTorch)) {
    code.remove_prefix(kTorch.size());
    return code.empty() || code.find('.') != std::string_view::npos ? "" : fmt::format("aten::{}", code);
  }
  if (!code.starts_with(kOthers)) return {};
  code.remove_prefix(kOthers.size());
  const std::size_t dot = code.find('.');
  if (code.starts_with(kPrimitive) || dot == std::string_view::npos) return {};
  return fmt::format("{}::{}", code.substr(0, dot), code.substr(dot + 1));
}

// Returns the kernel that AOTInductor generated and that threw an error of this text. Its name tells which operators it
// computes: "cpp_fused_embedding_mean_0".
std::string_view KernelThatThrew(std::string_view text) {
  constexpr std::string_view kRaised = "\nException raised from ", kKernel = "cpp_";
  const std::size_t raised = text.find(kRaised);
  if (raised == std::string_view::npos) return {};
  text.remove_prefix(raised + kRaised.size());
  const std::string_view name =
      text.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(text, IsNamePart) - text.begin()));
  return name.starts_with(kKernel) && text.substr(name.size()).starts_with(" at ") ? name : std::string_view();
}

}  // namespace

std::string FailedOperator(std::string_view text) {
  const std::string name = OperatorInTraceback(text);
  return name.empty() ? std::string(KernelThatThrew(text)) : name;
}

std::string Untold(std::string_view text, std::string_view told) {
  constexpr std::string_view kBlanks = " \n";
  const auto begin = static_cast<std::size_t>(told.data() - text.data());
  std::string_view before = text.substr(0, begin), after = text.substr(begin + told.size());
  before.remove_prefix(std::min(before.find_first_not_of(kBlanks), before.size()));
  after.remove_suffix(after.size() - (after.find_last_not_of(kBlanks) + 1));
  if (before.empty()) after.remove_prefix(std::min(after.find_first_not_of(kBlanks), after.size()));
  if (after.empty()) before.remove_suffix(before.size() - (before.find_last_not_of(kBlanks) + 1));
  return std::string(before) + std::string(after);
}

}  // namespace tensorferry::inference
