#include "payload/npy.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/status.h"

namespace tensorferry {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

absl::Status BadHeader(std::string_view why) {
  return MakeError(Reason::kBadHeader, fmt::format(".npy header: {}", why), {.field = "npy"});
}

// HeaderText is the text of the header, and what the format's version says of it.
struct HeaderText {
  std::string_view text;
  bool allows_long_suffix;  // Whether numbers may be written as `3L`, as Python 2 did.
  std::size_t data_offset;
};

absl::StatusOr<HeaderText> ReadPreamble(std::string_view file) {
  if (file.size() < kMagic.size() + 2 || !file.starts_with(kMagic)) {
    return MakeError(Reason::kBadMagic, R"(not a .npy file: it does not begin with "\x93NUMPY" and a version)",
                     {.field = "npy"});
  }
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(file[i]); };
  const int major = byte(6);
  const int minor = byte(7);
  if (major < 1 || major > 3 || minor != 0) {
    return MakeError(Reason::kBadVersion, fmt::format(".npy version {}.{} is not 1.0, 2.0 or 3.0", major, minor),
                     {.field = "npy", .expected = "1.0, 2.0 or 3.0", .actual = fmt::format("{}.{}", major, minor)});
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  const std::size_t text_offset = kMagic.size() + 2 + length_bytes;
  if (file.size() < text_offset) return BadHeader("the file ends inside the length field");
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= std::size_t{byte(8 + i)} << (8 * i);
  if (length > kMaxNpyHeaderText) {
    return MakeError(Reason::kBadHeader,
                     fmt::format(".npy header: {} bytes of text, at most {} are taken", length, kMaxNpyHeaderText),
                     {.field = "npy", .actual = fmt::to_string(length), .limit = fmt::to_string(kMaxNpyHeaderText)});
  }
  if (file.size() - text_offset < length) {
    return BadHeader(fmt::format("{} bytes are announced, the file has {}", length, file.size() - text_offset));
  }
  return HeaderText{file.substr(text_offset, length), major < 3, text_offset + length};
}

// Tokenizer reads the dictionary token by token. Each Read… function goes on to behind the token that it has read.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  bool AtEnd() {
    SkipSpace();
    return text_.empty();
  }

  bool Take(char c) {
    SkipSpace();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  char Peek() {
    SkipSpace();
    return text_.empty() ? '\0' : text_.front();
  }

  // Reads a quoted string without escapes.
  std::optional<std::string_view> ReadString() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') return std::nullopt;
    const std::size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view value = text_.substr(1, end - 1);
    if (value.find_first_of("\\\n\r") != std::string_view::npos) return std::nullopt;
    text_.remove_prefix(end + 1);
    if (Peek() == '\'' || Peek() == '"') return std::nullopt;  // Concatenated strings and triple quotes are refused.
    return value;
  }

  std::optional<bool> ReadBool() {
    SkipSpace();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {std::string_view("False"), false}}) {
      if (text_.starts_with(word) && (text_.size() == word.size() || !IsWordChar(text_[word.size()]))) {
        text_.remove_prefix(word.size());
        return value;
      }
    }
    return std::nullopt;
  }

  // Reads a decimal number of at most 63 bits, without a leading zero, a sign other than `-`, or underscores.
  std::optional<std::int64_t> ReadInt(bool allows_long_suffix) {
    SkipSpace();
    const std::size_t digits = text_.starts_with('-') ? 1 : 0;
    if (text_.size() > digits + 1 && text_[digits] == '0' && IsWordChar(text_[digits + 1]) &&
        text_[digits + 1] != 'L') {
      return std::nullopt;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    if (allows_long_suffix && text_.starts_with('L')) text_.remove_prefix(1);
    if (!text_.empty() && (IsWordChar(text_.front()) || text_.front() == '.')) return std::nullopt;
    return value;
  }

  // Returns the source text of a bracketed value. Counts brackets of one kind, and skips strings.
  std::optional<std::string_view> ReadBracketed(char open, char close) {
    SkipSpace();
    std::size_t depth = 0;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == '\'' || c == '"') {
        i = text_.find(c, i + 1);
        if (i == std::string_view::npos) return std::nullopt;
      } else if (c == open) {
        ++depth;
      } else if (c == close && --depth == 0) {
        const std::string_view value = text_.substr(0, i + 1);
        text_.remove_prefix(i + 1);
        return value;
      }
    }
    return std::nullopt;
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
  static bool IsWordChar(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  void SkipSpace() {
    while (!text_.empty() && IsSpace(text_.front())) text_.remove_prefix(1);
  }

  std::string_view text_;
};

absl::Status ReadDescr(Tokenizer& tokens, NpyHeader& header) {
  // A list or tuple is a structured or subarray type. Its text is kept, so that ParseDType refuses it for the right
  // reason.
  const char first = tokens.Peek();
  const auto text = first == '['   ? tokens.ReadBracketed('[', ']')
                    : first == '(' ? tokens.ReadBracketed('(', ')')
                                   : tokens.ReadString();
  if (!text) return BadHeader("'descr' is not a plain string");
  header.descr = *text;
  return absl::OkStatus();
}

absl::Status ReadShape(Tokenizer& tokens, bool allows_long_suffix, NpyHeader& header) {
  if (!tokens.Take('(')) return BadHeader("'shape' is not a tuple");
  bool comma = true;
  while (!tokens.Take(')')) {
    if (!comma) return BadHeader("'shape' has no comma between two dimensions");
    const auto dim = tokens.ReadInt(allows_long_suffix);
    if (!dim) return BadHeader("'shape' is not a tuple of plain decimal numbers of at most 63 bits");
    header.shape.push_back(*dim);
    comma = tokens.Take(',');
  }
  if (header.shape.size() == 1 && !comma) return BadHeader("'shape' is a number in parentheses, not a tuple");
  return absl::OkStatus();
}

absl::Status ReadFortranOrder(Tokenizer& tokens, NpyHeader& header) {
  const auto value = tokens.ReadBool();
  if (!value) return BadHeader("'fortran_order' is neither True nor False");
  header.fortran_order = *value;
  return absl::OkStatus();
}

absl::Status ReadDictionary(const HeaderText& source, NpyHeader& header) {
  Tokenizer tokens(source.text);
  if (!tokens.Take('{')) return BadHeader("the text is not a dictionary");
  bool has_descr = false;
  bool has_order = false;
  bool has_shape = false;
  bool comma = true;
  while (!tokens.Take('}')) {
    if (!comma) return BadHeader("no comma between two entries");
    const auto key = tokens.ReadString();
    if (!key) return BadHeader("a key is not a plain string");
    if (!tokens.Take(':')) return BadHeader(fmt::format("no colon after key {}", Quote(*key)));
    if (*key == "descr" && !std::exchange(has_descr, true)) {
      TENSORFERRY_RETURN_IF_ERROR(ReadDescr(tokens, header));
    } else if (*key == "fortran_order" && !std::exchange(has_order, true)) {
      TENSORFERRY_RETURN_IF_ERROR(ReadFortranOrder(tokens, header));
    } else if (*key == "shape" && !std::exchange(has_shape, true)) {
      TENSORFERRY_RETURN_IF_ERROR(ReadShape(tokens, source.allows_long_suffix, header));
    } else {
      return BadHeader(fmt::format("key {} is unknown or comes twice", Quote(*key)));
    }
    comma = tokens.Take(',');
  }
  if (!has_descr || !has_order || !has_shape) {
    return BadHeader("the keys 'descr', 'fortran_order' and 'shape' are not all there");
  }
  if (!tokens.AtEnd()) return BadHeader("text follows the dictionary");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view file) {
  TENSORFERRY_ASSIGN_OR_RETURN(const HeaderText source, ReadPreamble(file));
  NpyHeader header;
  header.data_offset = source.data_offset;
  TENSORFERRY_RETURN_IF_ERROR(ReadDictionary(source, header));
  return header;
}

absl::StatusOr<ArrayHeader> CheckNpyHeader(const NpyHeader& npy, std::string_view named_dtype, std::size_t file_nbytes,
                                           Fidelity fidelity, const PayloadLimits& limits) {
  ArrayDeclaration declaration = npy.declaration();
  TENSORFERRY_ASSIGN_OR_RETURN(const SourceDType source, ParseDescr(npy.descr, named_dtype, fidelity));
  if (!named_dtype.empty() && IsAmbiguousVoid(npy.descr)) declaration.dtype = named_dtype;
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header, ArrayHeader::Make(declaration, source, limits));
  const std::size_t data_nbytes = file_nbytes - npy.data_offset;
  if (data_nbytes > header.nbytes()) {
    return MakeError(
        Reason::kTrailingBytes,
        fmt::format(".npy file with {} data bytes, its header says {}", data_nbytes, header.nbytes()),
        {.field = "npy", .expected = fmt::to_string(header.nbytes()), .actual = fmt::to_string(data_nbytes)});
  }
  TENSORFERRY_RETURN_IF_ERROR(header.CheckNbytes(data_nbytes));
  return header;
}

}  // namespace tensorferry
