#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "files/file_reader.h"
#include "http/message.h"

namespace tensorferry::web {

// Returns the media type of a format, such as "application/x-npy".
std::string_view MediaTypeOf(FileFormat format);

// ConvertWish is what the fields of a request to convert say.
struct ConvertWish {
  std::optional<FileFormat> body;    // Nothing: neither the fields nor the first bytes tell.
  std::string dtype;                 // What an ambiguous descr is; empty: not said.
  bool strict = false;               // Whether elements are taken as torch.from_numpy takes them.
  std::optional<FileFormat> answer;  // The form in which elements are to come back; nothing: receipts as JSON.
};

// Reads the fields of a request, and the first bytes of its body. Returns a refusal in the place of what contradicts
// itself or is not known.
std::variant<ConvertWish, http::Response> ReadConvertWish(const http::Request& request);

}  // namespace tensorferry::web
