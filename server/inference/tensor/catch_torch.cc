#include "inference/tensor/catch_torch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/utf8.h"
#include "inference/tensor/error_text.h"

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

// Returns the part of `text` that says what went wrong, with the kind of exception: the line after the last traceback, or
// without a traceback the first line, as torch's advice comes after it.
std::string_view TellingLine(std::string_view text) {
  std::string_view line = LineBehindTraceback(text);
  if (line.empty()) line = FirstLine(text, /*skips_indented=*/false);
  if (constexpr std::string_view kEnforce = "[enforce fail at "; line.starts_with(kEnforce)) {
    if (const std::size_t end = line.find("] . "); end != std::string_view::npos) line.remove_prefix(end + 4);
  }
  return line.substr(0, line.find("  (Could this error message be improved?"));
}

// A model's error may quote its caller's text, which may have any length: nothing here recurses over it, and what is
// sent and logged of it is bounded.
constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kMaxLogText = 4096;

bool IsLetterOrDigit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool IsWord(char c) { return IsLetterOrDigit(c) || c == '_'; }
bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Returns the word with which `text` begins.
std::string_view FirstWord(std::string_view text) {
  return text.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(text, IsWord) - text.begin()));
}

// Returns the size of the address of a web page with which `text` begins, or 0.
std::size_t PageSize(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!text.starts_with(scheme) || text.size() == scheme.size() || !IsLetterOrDigit(text[scheme.size()])) continue;
    return static_cast<std::size_t>(std::ranges::find_if(text, IsSpace) - text.begin());
  }
  return 0;
}

// Returns whether a path begins at `line[at]`, by a slash behind no letter or digit, as in `file:/x`, `x=/y` and `~/x`,
// or by a drive of Windows, as in `C:\x`. A slash between blanks divides.
bool BeginsAPath(std::string_view line, std::size_t at) {
  const bool follows_word = at > 0 && IsLetterOrDigit(line[at - 1]);
  if (follows_word) return false;
  if (line[at] != '/') return IsLetterOrDigit(line[at]) && line.substr(at + 1).starts_with(":\\");
  const bool divides = at > 0 && line[at - 1] == ' ' && line.substr(at + 1).starts_with(' ');
  return !divides;
}

// Returns whether an address in memory begins at `line[at]`.
bool BeginsAnAddress(std::string_view line, std::size_t at) {
  constexpr std::size_t kMinDigits = 6;
  const std::string_view rest = line.substr(at);
  if (!rest.starts_with("0x")) return false;
  const std::size_t end = rest.find_first_not_of("0123456789abcdefABCDEF", 2);
  return std::min(end, rest.size()) - 2 >= kMinDigits;
}

// Returns whether the line has a path, or an address in memory. An address of a web page is neither.
bool NamesAPath(std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (const std::size_t page = PageSize(line.substr(at)); page > 0) {
      at += page - 1;
    } else if (BeginsAPath(line, at) || BeginsAnAddress(line, at)) {
      return true;
    }
  }
  return false;
}

struct NoKernel {
  std::string name, dtype;  // Of the operator, and in torch's words.
};

// Finds `"NAME" not implemented for 'DTYPE'`.
std::optional<NoKernel> FindNoKernel(std::string_view text) {
  constexpr std::string_view kBetween = "\" not implemented for '";
  for (std::size_t at = text.find(kBetween); at != std::string_view::npos; at = text.find(kBetween, at + 1)) {
    const std::string_view before = text.substr(0, at);
    const std::size_t quote = before.rfind('"');
    if (quote == std::string_view::npos) continue;
    const std::string_view name = before.substr(quote + 1);
    const std::string_view rest = text.substr(at + kBetween.size());
    const std::string_view dtype = FirstWord(rest);
    if (!name.empty() && FirstWord(name) == name && !dtype.empty() && rest.substr(dtype.size()).starts_with('\'')) {
      return NoKernel{std::string(name), std::string(dtype)};
    }
  }
  return std::nullopt;
}

struct UnknownOperator {
  std::string name;       // "library::operator".
  std::string_view told;  // The words of the text that name it.
};

// Finds the operator that torch does not know.
std::optional<UnknownOperator> FindUnknownOperator(std::string_view text) {
  for (const std::string_view words : {"Unknown builtin op: ", "Could not find schema for "}) {
    const std::size_t at = text.find(words);
    if (at == std::string_view::npos) continue;
    std::string_view rest = text.substr(at + words.size());
    const std::string_view library = FirstWord(rest);
    rest.remove_prefix(library.size());
    if (library.empty() || !rest.starts_with("::")) continue;
    const std::string_view name = FirstWord(rest.substr(2));
    if (name.empty()) continue;
    auto end = static_cast<std::size_t>(name.end() - text.begin());
    if (text.substr(end).starts_with('.')) ++end;
    return UnknownOperator{fmt::format("{}::{}", library, name), text.substr(at, end - at)};
  }
  return std::nullopt;
}

// Returns how many bytes of the text, at most `most`, are whole characters of UTF-8.
std::size_t CutSize(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return most;
}

// Returns at most `most` bytes of the text, and cuts no character of UTF-8 in two.
std::string Cut(std::string_view text, std::size_t most) {
  const std::size_t size = CutSize(text, most);
  return std::string(text.substr(0, size)) + (size < text.size() ? "…" : "");
}

// Keeps both ends of a long text: torch's kind of error is at its begin, the model's own words are at its end.
std::string CutForLog(std::string_view text) {
  if (text.size() <= kMaxLogText) return std::string(text);
  const std::size_t half = kMaxLogText / 2;
  return fmt::format("{} … {}", text.substr(0, half), text.substr(text.size() - half));
}

// Makes an error with the line of `text` that says most, and keeps the rest of the text for the log.
absl::Status ToldByItsLine(std::string_view text, Reason otherwise) {
  const std::string_view line = TellingLine(text);
  const std::string_view words = WithoutKind(line);
  const std::string_view first = words.substr(0, CutSize(words, kMaxLine));
  const std::string cut = words.empty() ? "torch gave no reason" : Cut(words, kMaxLine);
  std::string told = Printable(cut, 2 * kMaxLine);
  std::string for_log = CutForLog(text);
  if (NamesAPath(told)) {
    told = "torch refused; the server's log has its words";
  } else if (!words.empty() && told == cut) {
    for_log = CutForLog(Untold(text, {line.begin(), first.end()}));
  }
  if (const std::string name = FailedOperator(text); !name.empty() && otherwise == Reason::kModelFailed) {
    told = fmt::format("{}: {}", Printable(name, kMaxLine), told);
  }
  return MakeError(otherwise, told, {.log_text = for_log});
}

}  // namespace

absl::Status NotEnoughMemory(std::string_view log_text) {
  return MakeError(Reason::kMemoryBudget, "the system has not enough memory for the tensors now",
                   {.retry_after = std::chrono::milliseconds(1000), .log_text = std::string(log_text)});
}

absl::Status TranslateTorchError(std::string_view text, Reason otherwise) {
  constexpr std::string_view kNoPromotion = "Promotion for uint16, uint32, uint64 types is not supported";
  const std::string for_log = CutForLog(text);
  if (const auto found = FindNoKernel(text)) {
    return MakeError(Reason::kOperatorUnsupported,
                     fmt::format("torch's operator {} has no kernel for dtype {}", Cut(found->name, kMaxLine),
                                 Cut(found->dtype, kMaxLine)),
                     {.field = Cut(found->name, kMaxLine), .actual = Cut(found->dtype, kMaxLine), .log_text = for_log});
  }
  if (const std::size_t at = text.find(kNoPromotion); at != std::string_view::npos) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    return MakeError(Reason::kOperatorUnsupported, Cut(line, kMaxLine), {.log_text = CutForLog(Untold(text, line))});
  }
  if (const auto unknown = FindUnknownOperator(text); unknown && !unknown->name.starts_with("aten::")) {
    const std::string name = Cut(unknown->name, kMaxLine);
    return MakeError(otherwise,
                     fmt::format("Unknown builtin op: {}. If a library of yours has this operator, start the server "
                                 "with the library in LD_PRELOAD",
                                 name),
                     {.field = name, .log_text = CutForLog(Untold(text, unknown->told))});
  }
  for (const std::string_view no_memory :
       {"DefaultCPUAllocator: ", "CUDA out of memory", "CUDA error: out of memory"}) {
    if (text.find(no_memory) != std::string_view::npos) return NotEnoughMemory(for_log);
  }
  return ToldByItsLine(text, otherwise);
}

}  // namespace tensorferry::inference
