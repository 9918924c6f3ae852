#include "inference/tensor/catch_torch.h"

#include <fmt/format.h>

#include <regex>

namespace tensorferry::inference {
namespace {

// The line that says what went wrong. TorchScript writes it behind two tracebacks, which have paths of the author's
// machine. Other texts begin with it, and advice follows.
std::string TellingLine(std::string_view text) {
  for (const std::string_view mark : {"RuntimeError: ", "torch.jit.Error: "}) {
    if (const auto found = text.rfind(mark); found != std::string_view::npos) text.remove_prefix(found + mark.size());
  }
  return std::string(text.substr(0, text.find('\n')));
}

bool NamesAPath(const std::string& line) {
  static const std::regex path(R"((^|[\s'"(])/[^\s/]+/|0x[0-9a-f]{6,})");
  return std::regex_search(line, path);
}

}  // namespace

absl::Status NotEnoughMemory(std::string_view log_text) {
  return MakeError(Reason::kMemoryBudget, "the system has not enough memory for the tensors now",
                   {.retry_after = std::chrono::milliseconds(1000), .log_text = std::string(log_text)});
}

absl::Status TranslateTorchError(std::string_view text, Reason otherwise) {
  static const std::regex no_kernel(R"re("(\w+)" not implemented for '(\w+)')re");
  static const std::regex no_promotion(R"(Promotion for uint16, uint32, uint64 types is not supported[^\n]*)");
  const std::string whole(text);
  std::smatch match;
  if (std::regex_search(whole, match, no_kernel)) {
    return MakeError(Reason::kOperatorUnsupported,
                     fmt::format("torch's operator {} has no kernel for dtype {}", match[1].str(), match[2].str()),
                     {.field = match[1].str(), .actual = match[2].str(), .log_text = whole});
  }
  if (std::regex_search(whole, match, no_promotion)) {
    return MakeError(Reason::kOperatorUnsupported, match[0].str(), {.log_text = whole});
  }
  for (const std::string_view no_memory :
       {"DefaultCPUAllocator: ", "CUDA out of memory", "CUDA error: out of memory"}) {
    if (whole.find(no_memory) != std::string::npos) return NotEnoughMemory(whole);
  }
  const std::string line = TellingLine(text);
  return MakeError(otherwise, NamesAPath(line) ? "torch refused; the server's log has its words" : line,
                   {.log_text = whole});
}

}  // namespace tensorferry::inference
