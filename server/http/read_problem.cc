#include "http/read_problem.h"

#include <fmt/format.h>

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>
#include <iterator>
#include <string>

#include "base/reason.h"
#include "base/status.h"
#include "http/message.h"

namespace tensorferry::http {
namespace {

namespace beast_http = boost::beast::http;
using ReadError = beast_http::error;

}  // namespace

std::optional<Problem> ProblemOf(const boost::beast::error_code& error, const Limits& limits) {
  if (error == ReadError::end_of_stream) return std::nullopt;
  if (error == ReadError::header_limit || error == ReadError::buffer_overflow) {
    return Problem{.status = 431,
                   .message = "the request's line and fields are too long",
                   .expected = fmt::format("at most {} bytes", limits.head_bytes),
                   .actual = "more"};
  }
  if (error == ReadError::body_limit) {
    return Problem{.status = 413,
                   .message = "the request's body is too long",
                   .expected = fmt::format("at most {} bytes", limits.body_bytes),
                   .actual = "more",
                   .reason = std::string(Info(Reason::kTensorTooLarge).name)};
  }
  if (error.category() != make_error_code(ReadError::bad_method).category()) return std::nullopt;
  return Problem{.status = 400,
                 .message = "the request is not HTTP/1.1 or HTTP/1.0",
                 .expected = "a request of HTTP/1.1",
                 .actual = error.message()};
}

std::optional<Problem> CheckHead(const IncomingMessage& message) {
  const auto hosts = message.count(beast_http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= kHttp11)) {
    return Problem{.status = 400,
                   .message = "a request of HTTP/1.1 has one Host field",
                   .expected = "1 Host field",
                   .actual = fmt::format("{}", hosts)};
  }
  const auto encoding = message.find(beast_http::field::transfer_encoding);
  if (encoding != message.end()) {
    const std::string value(encoding->value());
    if (message.count(beast_http::field::transfer_encoding) > 1 || !EqualInAnyCase(value, "chunked")) {
      return Problem{.status = 400,
                     .message = "bodies come as they are or in chunks",
                     .expected = "transfer-encoding: chunked",
                     .actual = value};
    }
  }
  const std::string target(message.target());
  if (PathOf(target).empty()) {
    return Problem{.status = 400,
                   .message = "the request's target is no path",
                   .expected = "a target such as /livez",
                   .actual = target};
  }
  return std::nullopt;
}

Problem TooLate(const Limits& limits) {
  return {.status = 408,
          .message = "the request did not arrive in time",
          .expected = fmt::format("a whole request within {} ms", limits.request.count()),
          .actual = "a part of one"};
}

Response NoMemory(const absl::Status& error) {
  const Failure failure = DescribeError(error);
  const bool for_ever = failure.reason == Reason::kTensorTooLarge;
  Response response = ErrorResponse({.status = for_ever ? 413U : 429U,
                                     .message = "there is no memory for the request's body: " + failure.message,
                                     .expected = "a body that fits into the memory budget",
                                     .actual = "one that does not",
                                     .reason = std::string(Info(failure.reason).name)});
  if (!for_ever) response.fields.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace tensorferry::http
