#include "http/message.h"

#include <algorithm>
#include <cctype>

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
