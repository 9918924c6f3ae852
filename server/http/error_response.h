#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/message.h"

namespace tensorferry::http {

// Returns `{"error": {"status": …, "message": …, "expected": …, "actual": …}}`. Texts may quote what the peer has sent:
// they are cut, and made printable.
Response ErrorResponse(const Problem& problem, std::vector<Field> fields = {});

// ErrorBody returns the JSON with which a port tells a problem, if it has a form of its own.
using ErrorBody = std::function<std::string(const Problem&)>;

}  // namespace tensorferry::http
