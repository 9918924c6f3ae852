#pragma once

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "absl/status/status.h"
#include "http/error_response.h"
#include "http/limits.h"

namespace tensorferry::http {

using IncomingMessage = boost::beast::http::request<boost::beast::http::string_body>;

// Returns the problem of a request that could not be read, or nothing if nobody waits for an answer: the peer has gone,
// or the connection has failed.
std::optional<Problem> ProblemOf(const boost::beast::error_code& error, const Limits& limits);

// Returns what is wrong with the head of a request, which the parser has taken.
std::optional<Problem> CheckHead(const IncomingMessage& message);

// Returns the problem of a request that did not arrive in time.
Problem TooLate(const Limits& limits);

// Returns the answer to a request for whose body there is no memory.
Response NoMemory(const absl::Status& error);

}  // namespace tensorferry::http
