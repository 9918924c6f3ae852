#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

namespace tensorferry::http {

// MediaType is a form in which an answer can be given: `text/plain` and `version=0.0.4`.
struct MediaType {
  std::string_view type;
  std::string_view parameter;
};

// Returns the values of all Accept fields of a request as if they were one.
std::string AcceptOf(const Request& request);

// Returns the place in `offered` of the form that the value of an Accept field prefers (RFC 9110, 12.5.1). Among forms
// that are equally welcome the first is taken, and so it is where none is welcome: an answer in another form says more
// than none.
std::size_t ChooseMediaType(std::string_view accept, std::span<const MediaType> offered);

}  // namespace tensorferry::http
