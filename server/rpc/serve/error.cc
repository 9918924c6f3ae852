#include "rpc/serve/error.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/failure_text.h"
#include "base/status.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/log_limit.h"

namespace tensorferry::rpc {
namespace {

constexpr char kDomain[] = "tensorferry";

// Texts are cut to these sizes, since gRPC's trailers must stay below 8 KiB, with texts percent-encoded or in base64.
// Printable makes them UTF-8, as protobuf's strings must be. A name of an array that was checked stays as it is, so that
// it comes back as it was sent.
constexpr std::size_t kMaxMessageBytes = 512;
constexpr std::size_t kMaxValueBytes = 256;

// Adds a message of google.rpc to the details of an error.
void AddDetail(const google::protobuf::Message& message, google::rpc::Status& details) {
  // Only a message that lacks a required field is not packed, and those of google.rpc have none.
  static_cast<void>(details.add_details()->PackFrom(message));
}

}  // namespace

Failure FailureForCaller(const absl::Status& error) {
  Failure failure = DescribeError(error);
  failure.message = Printable(failure.message, kMaxMessageBytes);
  for (auto& [key, value] : failure.metadata) value = Printable(value, kMaxValueBytes);
  failure.log_text.clear();
  return failure;
}

int CodeOf(const Failure& failure) { return static_cast<int>(Info(failure.reason).code); }

grpc::Status ToGrpcStatus(const absl::Status& error) {
  const Failure failure = FailureForCaller(error);

  google::rpc::ErrorInfo info;
  info.set_reason(std::string(Info(failure.reason).name));
  info.set_domain(kDomain);
  info.mutable_metadata()->insert(failure.metadata.begin(), failure.metadata.end());

  google::rpc::Status details;
  details.set_code(CodeOf(failure));
  details.set_message(failure.message);
  AddDetail(info, details);
  if (failure.retry_after.count() > 0) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(failure.retry_after.count());
    AddDetail(retry, details);
  }
  return {static_cast<grpc::StatusCode>(CodeOf(failure)), failure.message, details.SerializeAsString()};
}

void AddPushback(const absl::Status& error, AsyncCall& call) {
  if (error.ok()) return;
  const auto delay = DescribeError(error).retry_after;
  if (delay.count() > 0) call.AddToAnswer("grpc-retry-pushback-ms", std::to_string(delay.count()));
}

grpc::Status EndOfCall(const absl::Status& end, AsyncCall& call) {
  AddPushback(end, call);
  return end.ok() ? grpc::Status::OK : ToGrpcStatus(end);
}

grpc::Status FinalStatus(std::string_view method, const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  LogError(method, status);
  return ToGrpcStatus(status);
}

void LogError(std::string_view method, const absl::Status& error, const std::function<LogFields()>& fields_of) {
  static LogLimit model_failures;
  static LogLimit internal_errors;
  const Failure failure = DescribeError(error);
  std::optional<std::uint64_t> admitted;
  if (failure.reason == Reason::kModelFailed) admitted = model_failures.Admit();
  if (failure.reason == Reason::kInternal) admitted = internal_errors.Admit();
  const auto level = admitted ? spdlog::level::warn : spdlog::level::debug;
  if (!spdlog::should_log(level)) return;
  const std::string_view reason = Info(failure.reason).name;
  const LogFields fields = fields_of ? fields_of() : LogFields{.event = "error"};
  LogWithFields(
      level, fields,
      fmt::format("{}: {}: {}{}", method, reason, TextForLog(failure), MoreAtDebug(admitted.value_or(0), "warning")));
}

}  // namespace tensorferry::rpc
