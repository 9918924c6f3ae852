#pragma once

#include <string>
#include <vector>

#include "http/message.h"

namespace tensorferry::http {

// Problem says why a request is not answered with what it asks for.
struct Problem {
  unsigned status;  // HTTP's number, such as 404.
  std::string message;
  std::string expected;
  std::string actual;
};

// Returns `{"error": {"status": …, "message": …, "expected": …, "actual": …}}`. Texts may quote what the peer has sent:
// they are cut, and made printable.
Response ErrorResponse(const Problem& problem, std::vector<Field> fields = {});

}  // namespace tensorferry::http
