#pragma once

#include <optional>

#include "http/content_coding.h"
#include "http/message.h"

namespace tensorferry::http {

// Unpacks the body of a request that RefuseCoding takes, and leaves out the fields that say how it was packed. Takes the
// time that the body takes, and memory as it grows, within the policy's limits.
// Returns the refusal of a body that is damaged, too long, or for which there is no memory.
std::optional<Response> UnpackBody(const CodingPolicy& policy, Request& request);

}  // namespace tensorferry::http
