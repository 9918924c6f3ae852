#include "base/status.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "absl/strings/cord.h"

namespace tensorferry {
namespace {

// Payload keys of the statuses we make; the metadata keys are also those of ErrorInfo.metadata.
constexpr std::string_view kReasonKey = "tensorferry/reason";
constexpr std::string_view kRetryKey = "tensorferry/retry_after_ms";
constexpr std::string_view kLogKey = "tensorferry/log_text";
constexpr std::string_view kMetadataPrefix = "tensorferry/metadata/";

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

void SetMetadata(absl::Status& status, std::string_view key, const std::string& value) {
  if (!value.empty()) status.SetPayload(View(fmt::format("{}{}", kMetadataPrefix, key)), absl::Cord(value));
}

absl::Status WithPrefix(std::string_view what, std::string_view name, const absl::Status& error) {
  return WithMessage(fmt::format("{} {}: {}", what, Quote(name), std::string(error.message())), error);
}

}  // namespace

absl::Status MakeError(Reason reason, std::string_view message, const ErrorDetails& details) {
  absl::Status status(Info(reason).code, View(message));
  status.SetPayload(View(kReasonKey), absl::Cord(View(Info(reason).name)));
  SetMetadata(status, "field", details.field);
  SetMetadata(status, "expected", details.expected);
  SetMetadata(status, "actual", details.actual);
  SetMetadata(status, "limit", details.limit);
  if (details.retry_after.count() > 0) {
    status.SetPayload(View(kRetryKey), absl::Cord(fmt::format("{}", details.retry_after.count())));
  }
  if (!details.log_text.empty()) status.SetPayload(View(kLogKey), absl::Cord(details.log_text));
  return status;
}

absl::Status InArray(std::string_view array_name, const absl::Status& error) {
  if (error.ok()) return error;
  absl::Status named = WithPrefix("array", array_name, error);
  SetMetadata(named, "array", std::string(array_name));
  return named;
}

absl::Status InOutput(std::string_view output_name, const absl::Status& error) {
  if (error.ok()) return error;
  absl::Status named = WithPrefix("output", output_name, error);
  SetMetadata(named, "array", std::string(output_name));
  return named;
}

absl::Status InModel(std::string_view model_name, const absl::Status& error) {
  return error.ok() ? error : WithPrefix("model", model_name, error);
}

absl::Status WithMessage(std::string_view message, const absl::Status& error) {
  absl::Status worded(error.code(), View(message));
  error.ForEachPayload([&](absl::string_view key, const absl::Cord& value) { worded.SetPayload(key, value); });
  return worded;
}

Failure DescribeError(const absl::Status& error) {
  const absl::optional<absl::Cord> name = error.GetPayload(View(kReasonKey));
  const auto reason = name ? ParseReason(std::string(*name)) : std::nullopt;
  if (!reason) return {.message = "internal error", .log_text = error.ToString()};

  Failure failure{.reason = *reason, .message = std::string(error.message())};
  error.ForEachPayload([&](absl::string_view key, const absl::Cord& cord) {
    const std::string_view type(key.data(), key.size());
    const std::string value(cord);
    if (type == kRetryKey) {
      std::int64_t count = 0;
      std::from_chars(value.data(), value.data() + value.size(), count);
      failure.retry_after = std::chrono::milliseconds(count);
    } else if (type == kLogKey) {
      failure.log_text = value;
    } else if (type.starts_with(kMetadataPrefix)) {
      failure.metadata.emplace(type.substr(kMetadataPrefix.size()), value);
    }
  });
  return failure;
}

std::string Quote(std::string_view text) {
  constexpr std::size_t kMaxBytes = 72;
  std::string quoted = "'";
  for (const char c : text.substr(0, kMaxBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F) {
      if (quoted.size() + 4 > kMaxBytes) break;
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  if (text.size() > kMaxBytes) quoted += "...";
  return quoted + "'";
}

}  // namespace tensorferry
