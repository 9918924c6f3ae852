// Pages of other origins that ask through a browser (https://fetch.spec.whatwg.org, CORS): none may change anything or read
// an answer, but those that are configured. Without this any page that somebody opens could call a server of his machine or
// of his network.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/message.h"

namespace tensorferry::http {

// Returns the answer to a request by which a browser asks whether a page may send another (OPTIONS), or the refusal of
// one that it sends for a page of another origin than this port's; nothing if the request may be answered. `origins` are
// those that may ask, such as "https://page.example:8443", or "*" for all.
std::optional<Response> AnswerForOrigin(const std::vector<std::string>& origins, const Request& request);

// Returns the fields with which the answer to a request lets a page of one of `origins` read it.
std::vector<Field> OriginFields(const std::vector<std::string>& origins, const Request& request);

}  // namespace tensorferry::http
