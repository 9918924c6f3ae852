#include "web/convert_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "http/error_response.h"
#include "http/media_type.h"

namespace tensorferry::web {
namespace {

struct NamedFormat {
  std::string_view media_type;
  FileFormat format;
};

// The first name of each format is the one that answers have.
constexpr std::array kFormats{NamedFormat{"application/x-npy", FileFormat::kNpy},
                              NamedFormat{"application/x-npz", FileFormat::kNpz},
                              NamedFormat{"application/x-safetensors", FileFormat::kSafetensors},
                              NamedFormat{"application/zip", FileFormat::kNpz}};
// Types that say nothing of a body. curl sends the second one of its own accord.
constexpr std::array<std::string_view, 2> kUnknownTypes{"application/octet-stream",
                                                        "application/x-www-form-urlencoded"};

std::string_view WithoutBlanks(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

// Takes the text before the first `separator` off `text`.
std::string_view TakePart(char separator, std::string_view& text) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = WithoutBlanks(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::string_view Unquoted(std::string_view text) {
  return text.size() >= 2 && text.front() == '"' && text.back() == '"' ? text.substr(1, text.size() - 2) : text;
}

// StatedType is what a Content-Type says.
struct StatedType {
  std::string_view type;
  std::string_view dtype;
};

StatedType ReadContentType(std::string_view value) {
  StatedType stated{.type = TakePart(';', value), .dtype = {}};
  while (!value.empty()) {
    std::string_view parameter = TakePart(';', value);
    if (http::EqualInAnyCase(TakePart('=', parameter), "dtype")) stated.dtype = Unquoted(WithoutBlanks(parameter));
  }
  return stated;
}

// StatedFormat is what a media type says of a body.
struct StatedFormat {
  bool known = true;                 // Whether the type is one that bodies may have.
  std::optional<FileFormat> format;  // Nothing: the type says nothing.
};

StatedFormat FormatStatedBy(std::string_view type) {
  const auto is = [type](std::string_view name) { return http::EqualInAnyCase(type, name); };
  const auto* const found = std::ranges::find_if(kFormats, is, &NamedFormat::media_type);
  if (found != kFormats.end()) return {.known = true, .format = found->format};
  return {.known = type.empty() || std::ranges::any_of(kUnknownTypes, is), .format = std::nullopt};
}

http::Response UnknownContentType(std::string_view type) {
  return http::ErrorResponse({.status = 415,
                              .message = fmt::format("a body of type {} is not taken", type),
                              .expected = "application/x-npy, application/x-npz, application/x-safetensors, or no "
                                          "content-type, as the first bytes of the body tell what it is",
                              .actual = std::string(type)});
}

http::Response Contradiction(FileFormat stated, FileFormat found) {
  return http::ErrorResponse({.status = 400,
                              .message = fmt::format("the content-type is {}, and the body begins as {} does",
                                                     MediaTypeOf(stated), MediaTypeOf(found)),
                              .expected = std::string(MediaTypeOf(stated)),
                              .actual = std::string(MediaTypeOf(found)),
                              .reason = "CONFLICTING_FIELDS"});
}

bool PrefersStrict(const http::Request& request) {
  for (std::string_view value : request.Values("prefer")) {
    while (!value.empty()) {
      if (http::EqualInAnyCase(TakePart(',', value), "handling=strict")) return true;
    }
  }
  return false;
}

std::optional<FileFormat> FormatAccepted(const http::Request& request) {
  const std::vector<std::string_view> accepts = request.Values("accept");
  std::string accept;
  for (const std::string_view value : accepts) accept.append(accept.empty() ? "" : ",").append(value);
  if (accept.empty()) return std::nullopt;
  std::vector<http::MediaType> offered{{http::kJsonType, ""}};
  for (const NamedFormat& each : kFormats) offered.push_back({each.media_type, ""});
  const std::size_t chosen = http::ChooseMediaType(accept, offered);
  return chosen == 0 ? std::nullopt : std::optional(kFormats.at(chosen - 1).format);
}

}  // namespace

std::string_view MediaTypeOf(FileFormat format) {
  return std::ranges::find(kFormats, format, &NamedFormat::format)->media_type;
}

std::variant<ConvertWish, http::Response> ReadConvertWish(const http::Request& request) {
  const std::vector<std::string_view> types = request.Values("content-type");
  const StatedType stated = ReadContentType(types.empty() ? "" : types.front());
  const auto [known, by_type] = FormatStatedBy(stated.type);
  if (!known || types.size() > 1) return UnknownContentType(types.size() > 1 ? "more than one" : stated.type);
  const std::optional<FileFormat> by_bytes = FormatOf(request.body);
  if (by_type && by_bytes && by_type != by_bytes) return Contradiction(*by_type, *by_bytes);
  return ConvertWish{.body = by_bytes ? by_bytes : by_type,
                     .dtype = std::string(stated.dtype),
                     .strict = PrefersStrict(request),
                     .answer = FormatAccepted(request)};
}

}  // namespace tensorferry::web
