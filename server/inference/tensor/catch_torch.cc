#include "inference/tensor/catch_torch.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

namespace tensorferry::inference {
namespace {

constexpr std::string_view kTraceback = "Traceback of TorchScript";
constexpr std::string_view kEndOfCode = "<--- HERE";  // Stands at the end of the code that a traceback shows.

// Returns the first line of `text` that is not empty, and if `skips_indented` is true, not indented. Returns an empty
// line if there is none.
std::string_view FirstLine(std::string_view text, bool skips_indented) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (!line.empty() && !(skips_indented && line.starts_with(' '))) return line;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

// Returns what the interpreter says after its tracebacks, which hold paths of the author's machine. Returns an empty
// line if there is no traceback.
std::string_view LineBehindTraceback(std::string_view text) {
  const std::size_t traceback = text.rfind(kTraceback);
  if (traceback == std::string_view::npos) return {};
  text.remove_prefix(traceback);
  const std::size_t code = text.rfind(kEndOfCode);
  text.remove_prefix(std::min(text.find('\n', code == std::string_view::npos ? 0 : code), text.size()));
  return FirstLine(text, /*skips_indented=*/true);
}

// Returns the line without the kinds of exception that say nothing. For an exception without a message it returns the
// kind.
std::string_view WithoutKind(std::string_view line) {
  for (const std::string_view kind : {"builtins.", "RuntimeError: ", "torch.jit.Error: "}) {
    if (line.starts_with(kind) && line.size() > kind.size()) line.remove_prefix(kind.size());
  }
  return line.ends_with(": ") ? line.substr(0, line.size() - 2) : line;
}

// Returns the line that says what went wrong: the line after the last traceback, or without a traceback the first line,
// as torch's advice comes after it.
std::string TellingLine(std::string_view text) {
  std::string_view line = LineBehindTraceback(text);
  if (line.empty()) line = FirstLine(text, /*skips_indented=*/false);
  if (constexpr std::string_view kEnforce = "[enforce fail at "; line.starts_with(kEnforce)) {
    if (const std::size_t end = line.find("] . "); end != std::string_view::npos) line.remove_prefix(end + 4);
  }
  line = line.substr(0, line.find("  (Could this error message be improved?"));
  line = WithoutKind(line);
  return line.empty() ? "torch gave no reason" : std::string(line);
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
  static const std::regex no_operator(R"((?:Unknown builtin op:|Could not find schema for) (\w+::\w+))");
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
  if (std::regex_search(whole, match, no_operator) && !match[1].str().starts_with("aten::")) {
    return MakeError(
        otherwise,
        fmt::format("Unknown builtin op: {}. If a library of yours has this operator, start the server with "
                    "the library in LD_PRELOAD",
                    match[1].str()),
        {.field = match[1].str(), .log_text = whole});
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
