#include "web/error_body.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tensorferry::web {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxMessageBytes = 512;
constexpr std::size_t kMaxValueBytes = 256;

// The numbers are those that google/rpc/code.proto gives.
unsigned HttpStatusOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::OK: return 200;
    case grpc::INVALID_ARGUMENT:
    case grpc::FAILED_PRECONDITION:
    case grpc::OUT_OF_RANGE: return 400;
    case grpc::UNAUTHENTICATED: return 401;
    case grpc::PERMISSION_DENIED: return 403;
    case grpc::NOT_FOUND: return 404;
    case grpc::ALREADY_EXISTS:
    case grpc::ABORTED: return 409;
    case grpc::RESOURCE_EXHAUSTED: return 429;
    case grpc::CANCELLED: return 499;
    case grpc::UNIMPLEMENTED: return 501;
    case grpc::UNAVAILABLE: return 503;
    case grpc::DEADLINE_EXCEEDED: return 504;
    default: return 500;
  }
}

std::string SecondsOf(const google::protobuf::Duration& delay) {
  return std::to_string(std::max<std::int64_t>(1, delay.seconds() + (delay.nanos() > 0 ? 1 : 0)));
}

}  // namespace

std::string ErrorBody(const http::Problem& problem) {
  Json body = {{"error", Printable(problem.message, kMaxMessageBytes)}, {"status", problem.status}};
  if (!problem.reason.empty()) body["reason"] = problem.reason;
  body["details"] = {{"expected", Printable(problem.expected, kMaxValueBytes)},
                     {"actual", Printable(problem.actual, kMaxValueBytes)}};
  return body.dump() + "\n";
}

http::Response ErrorOf(const grpc::Status& status) {
  http::Response response{.status = HttpStatusOf(status.error_code()), .content_type = std::string(http::kJsonType)};
  Json body = {{"error", Printable(status.error_message(), kMaxMessageBytes)}, {"status", response.status}};
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    for (const google::protobuf::Any& detail : details.details()) {
      if (detail.UnpackTo(&info)) {
        body["reason"] = info.reason();
        body["details"] = Json::object();
        for (const auto& [key, value] : info.metadata()) body["details"][key] = value;
      } else if (detail.UnpackTo(&retry)) {
        response.fields.push_back({"Retry-After", SecondsOf(retry.retry_delay())});
      }
    }
  }
  if (status.error_code() == grpc::UNAUTHENTICATED) response.fields.push_back({"WWW-Authenticate", "Bearer"});
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace tensorferry::web
