#include "lib/server_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "absl/strings/cord.h"
#include "base/status.h"
#include "base/text.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tensorferry::client {
namespace {

constexpr absl::string_view kPushbackKey = "tensorferry.client/pushback_ms";
constexpr std::uint64_t kMostPushback = std::uint64_t{24} * 60 * 60 * 1000;

using Metadata = google::protobuf::Map<std::string, std::string>;

std::string Find(const Metadata& metadata, const std::string& key) {
  const auto entry = metadata.find(key);
  return entry == metadata.end() ? std::string() : entry->second;
}

// Restore returns the status that the server had before it sent the error.
absl::Status Restore(const v1::Error& error) {
  const auto reason = ParseReason(error.reason());
  if (!reason) {  // A newer server has sent it: people can read it, but programs cannot.
    const auto code = static_cast<absl::StatusCode>(error.code());
    return absl::Status(code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : code,
                        fmt::format("{}: {}", error.reason(), error.message()));
  }
  const ErrorDetails details{.field = Find(error.metadata(), "field"),
                             .expected = Find(error.metadata(), "expected"),
                             .actual = Find(error.metadata(), "actual"),
                             .limit = Find(error.metadata(), "limit"),
                             .retry_after = std::chrono::milliseconds(error.retry_after_ms())};
  const std::string array = Find(error.metadata(), "array");
  if (array.empty()) return MakeError(*reason, error.message(), details);

  // The message begins with the array's name, which InArray will add again.
  const std::string prefix = fmt::format("array {}: ", Quote(array));
  const std::string_view message = error.message();
  return InArray(array, MakeError(*reason, message.substr(message.starts_with(prefix) ? prefix.size() : 0), details));
}

}  // namespace

absl::Status FromProto(const v1::Error& error) { return Restore(error); }

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  if (!details.ParseFromString(status.error_details())) details.Clear();
  for (const google::protobuf::Any& detail : details.details()) {
    static_cast<void>(detail.UnpackTo(&info) || detail.UnpackTo(&retry));  // Others say nothing here.
  }
  if (info.domain() != "tensorferry") {
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  v1::Error error;
  error.set_code(static_cast<int>(status.error_code()));
  error.set_reason(info.reason());
  error.set_message(status.error_message());
  *error.mutable_metadata() = info.metadata();
  error.set_retry_after_ms(retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000);
  return Restore(error);
}

absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& context) {
  absl::Status end = FromGrpc(status);
  if (end.ok()) return end;
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto pushback = trailers.find("grpc-retry-pushback-ms");
  if (pushback != trailers.end())
    end.SetPayload(kPushbackKey, absl::Cord({pushback->second.data(), pushback->second.size()}));
  return end;
}

std::chrono::milliseconds PushbackOf(const absl::Status& status) {
  const absl::optional<absl::Cord> text = status.GetPayload(kPushbackKey);
  const auto number = text ? ParseNumber(std::string(*text)) : std::nullopt;
  return std::chrono::milliseconds(number ? std::min<std::uint64_t>(*number, kMostPushback) : 0);
}

}  // namespace tensorferry::client
