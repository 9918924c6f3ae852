#include "rpc/serve/error.h"

#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <string>

#include "base/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tensorferry::rpc {
namespace {

constexpr char kDomain[] = "tensorferry";

// Trailers must stay below 8 KiB, and protobuf's strings are UTF-8.
constexpr std::size_t kMaxMessageBytes = 512;
constexpr std::size_t kMaxValueBytes = 256;

std::string Printable(std::string text, std::size_t max_bytes) {
  if (text.size() > max_bytes) text = text.substr(0, max_bytes - 3) + "...";
  for (char& c : text) {
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte >= 0x7F) c = '?';
  }
  return text;
}

// The array's name is valid UTF-8 of at most 256 bytes already: it must come back as it was sent.
std::string MetadataValue(const std::string& key, const std::string& value) {
  return key == "array" ? value : Printable(value, kMaxValueBytes);
}

int Code(const Failure& failure) { return static_cast<int>(Info(failure.reason).code); }

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& error) {
  const Failure failure = DescribeError(error);
  const std::string message = Printable(failure.message, kMaxMessageBytes);

  google::rpc::ErrorInfo info;
  info.set_reason(std::string(Info(failure.reason).name));
  info.set_domain(kDomain);
  for (const auto& [key, value] : failure.metadata) (*info.mutable_metadata())[key] = MetadataValue(key, value);

  google::rpc::Status details;
  details.set_code(Code(failure));
  details.set_message(message);
  details.add_details()->PackFrom(info);
  if (failure.retry_after.count() > 0) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() =
        google::protobuf::util::TimeUtil::MillisecondsToDuration(failure.retry_after.count());
    details.add_details()->PackFrom(retry);
  }
  return {static_cast<grpc::StatusCode>(Code(failure)), message, details.SerializeAsString()};
}

v1::Error ToProtoError(const absl::Status& error) {
  const Failure failure = DescribeError(error);
  v1::Error proto;
  proto.set_code(Code(failure));
  proto.set_reason(std::string(Info(failure.reason).name));
  proto.set_message(Printable(failure.message, kMaxMessageBytes));
  for (const auto& [key, value] : failure.metadata) (*proto.mutable_metadata())[key] = MetadataValue(key, value);
  proto.set_retry_after_ms(failure.retry_after.count());
  return proto;
}

void LogError(std::string_view method, const absl::Status& error) {
  const Failure failure = DescribeError(error);
  const bool ours = failure.reason == Reason::kInternal || failure.reason == Reason::kModelFailed;
  spdlog::log(ours ? spdlog::level::warn : spdlog::level::debug, "{}: {}: {} {}", method, Info(failure.reason).name,
              failure.message, failure.log_text);
}

}  // namespace tensorferry::rpc
