#include "http/media_type.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace tensorferry::http {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view Trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::size_t last = text.find_last_not_of(kBlanks);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// Takes the text before the first `separator` off `text`, without the blanks around it.
std::string_view TakeUntil(char separator, std::string_view& text) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return Trim(part);
}

// Match says how well one range of an Accept field fits a form: the more exact range decides.
struct Match {
  int exactness;
  double quality;
};

// Returns nothing if the range, such as `text/*;q=0.5`, does not hold the form. A quality that is no number is 0.
std::optional<Match> MatchRange(std::string_view range, const MediaType& form) {
  const std::string_view type = TakeUntil(';', range);
  const std::string_view family = form.type.substr(0, form.type.find('/') + 1);
  Match match{.exactness = 0, .quality = 1};
  if (EqualInAnyCase(type, form.type)) {
    match.exactness = 2;
  } else if (EqualInAnyCase(type, std::string(family) + "*")) {
    match.exactness = 1;
  } else if (type != "*/*") {
    return std::nullopt;
  }
  while (!range.empty()) {
    const std::string_view parameter = TakeUntil(';', range);
    if (parameter.starts_with("q=") || parameter.starts_with("Q=")) {
      const auto read = std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), match.quality);
      if (read.ec != std::errc()) match.quality = 0;
    } else if (parameter.starts_with("version=")) {
      if (parameter != form.parameter) return std::nullopt;
      match.exactness = 3;
    }
  }
  return match;
}

double QualityOf(std::string_view accept, const MediaType& form) {
  Match best{.exactness = -1, .quality = 0};
  while (!accept.empty()) {
    const auto match = MatchRange(TakeUntil(',', accept), form);
    if (match && match->exactness > best.exactness) best = *match;
  }
  return best.quality;
}

}  // namespace

std::string AcceptOf(const Request& request) {
  std::string accept;
  for (const std::string_view value : request.Values("accept")) {
    if (!accept.empty()) accept += ',';
    accept += value;
  }
  return accept;
}

std::size_t ChooseMediaType(std::string_view accept, std::span<const MediaType> offered) {
  std::size_t chosen = 0;
  double quality = 0;
  for (std::size_t i = 0; i < offered.size(); ++i) {
    if (const double of_this = QualityOf(accept, offered[i]); of_this > quality) {
      chosen = i;
      quality = of_this;
    }
  }
  return chosen;
}

}  // namespace tensorferry::http
