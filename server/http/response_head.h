#pragma once

#include <cstdint>
#include <string>

#include "http/message.h"

namespace tensorferry::http {

// Framing is what a response's head says beside what the route says.
struct Framing {
  unsigned version = 11;  // 10 for HTTP/1.0.
  bool keep_alive = false;
};

// Returns the number of bytes of a response's body.
std::uint64_t BodyBytes(const Response& response);

// Returns the status line and the fields of a response, up to the empty line. A field whose name or value could end its
// line is left out.
std::string ResponseHead(const Response& response, const Framing& framing);

}  // namespace tensorferry::http
