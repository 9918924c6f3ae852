#include "http/message.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace tensorferry::http {

bool EqualInAnyCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::vector<std::string_view> Request::Values(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields) {
    if (EqualInAnyCase(field.name, name)) values.emplace_back(field.value);
  }
  return values;
}

std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string bytes;
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text.front() != '%') {
      bytes += text.front();
      continue;
    }
    unsigned char byte = 0;
    const char* const digits = text.data() + 1;
    if (text.size() < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return std::nullopt;
    bytes += static_cast<char>(byte);
    text.remove_prefix(2);
  }
  return bytes;
}

std::string PathOf(std::string_view target) {
  constexpr std::string_view kScheme = "://";
  if (const std::size_t scheme = target.find(kScheme);
      scheme != std::string_view::npos && scheme < target.find_first_of("/?")) {
    const std::string_view rest = target.substr(scheme + kScheme.size());
    const std::size_t path = rest.find('/');
    target = path == std::string_view::npos ? "/" : rest.substr(path);
  }
  if (!target.starts_with('/')) return "";
  return std::string(target.substr(0, target.find_first_of("?#")));
}

}  // namespace tensorferry::http
