#pragma once

#include "http/content_coding.h"
#include "http/message.h"

namespace tensorferry::http {

// Returns a reply that gives the answer to `request` on to `reply`, packed in the coding that the peer would rather have:
// an answer of success of 1 KiB and more, if that makes it shorter and the memory budget has room for it beside the
// answer. A long one is packed aside, as the policy says. What a stream brings stays as it is.
Reply PackingReply(const CodingPolicy& policy, const Request& request, Reply reply);

}  // namespace tensorferry::http
