#include "base/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "base/text.h"
#include "base/utf8.h"

namespace tensorferry {
namespace {

// These are the payload keys of the statuses that we make. Those for metadata are also keys of ErrorInfo.metadata.
constexpr std::string_view kReasonKey = "tensorferry/reason";
constexpr std::string_view kRetryKey = "tensorferry/retry_after_ms";
constexpr std::string_view kLogKey = "tensorferry/log_text";
constexpr std::string_view kTermsKey = "tensorferry/terms";
constexpr std::string_view kMetadataPrefix = "tensorferry/metadata/";

// kMark stands before and after each term while a message is composed. Text from outside cannot hold it, since Quote()
// escapes it.
constexpr char kMark = '\x1f';

// TermPlace is the place of a term in a message, in bytes.
struct TermPlace {
  std::size_t offset = 0;
  std::size_t size = 0;
};

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Removes the marks from `message`, and returns the places of the terms that they enclosed.
std::vector<TermPlace> TakeMarks(std::string& message) {
  std::vector<TermPlace> places;
  std::size_t end = 0;
  for (std::size_t begin; (begin = message.find(kMark, end)) != std::string::npos;) {
    message.erase(begin, 1);
    end = std::min(message.find(kMark, begin), message.size());
    message.erase(end, 1);
    places.push_back({begin, end - begin});
  }
  return places;
}

std::vector<TermPlace> PlacesIn(const absl::Status& error) {
  std::vector<TermPlace> places;
  if (const auto terms = error.GetPayload(View(kTermsKey))) {
    const std::string bytes(*terms);
    places.resize(bytes.size() / sizeof(TermPlace));
    std::memcpy(places.data(), bytes.data(), bytes.size());
  }
  return places;
}

void SetPlaces(absl::Status& status, const std::vector<TermPlace>& places) {
  if (places.empty()) return;
  std::string bytes(places.size() * sizeof(TermPlace), '\0');
  std::memcpy(bytes.data(), places.data(), bytes.size());
  status.SetPayload(View(kTermsKey), absl::Cord(bytes));
}

void SetMetadata(absl::Status& status, std::string_view key, std::string value) {
  TakeMarks(value);
  if (!value.empty()) status.SetPayload(View(fmt::format("{}{}", kMetadataPrefix, key)), absl::Cord(value));
}

// Puts `prefix`, which may have terms, before the message.
absl::Status WithPrefix(std::string prefix, const absl::Status& error) {
  std::vector<TermPlace> places = TakeMarks(prefix);
  for (const TermPlace& place : PlacesIn(error)) places.push_back({prefix.size() + place.offset, place.size});
  absl::Status named = WithMessage(prefix + std::string(error.message()), error);
  SetPlaces(named, places);
  return named;
}

// Puts `what` and the quoted name before the message. `what` is a term, or a word that all protocols share.
absl::Status WithPrefix(std::string_view what, std::string_view name, const absl::Status& error) {
  return WithPrefix(fmt::format("{} {}: ", what, Quote(name)), error);
}

}  // namespace

std::string Term(std::string_view word) { return fmt::format("{}{}{}", kMark, word, kMark); }

absl::Status MakeError(Reason reason, std::string_view message, const ErrorDetails& details) {
  std::string text(message);
  const std::vector<TermPlace> places = TakeMarks(text);
  absl::Status status(Info(reason).code, text);
  SetPlaces(status, places);
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
  absl::Status named = WithPrefix(Term("array"), array_name, error);
  SetMetadata(named, "array", std::string(array_name));
  return named;
}

absl::Status InArrayAt(std::string_view array_name, std::size_t index, const absl::Status& error) {
  return error.ok() ? error : InArray(array_name, WithPrefix(fmt::format("{}[{}]: ", Term("arrays"), index), error));
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
  error.ForEachPayload([&](absl::string_view key, const absl::Cord& value) {
    if (key != View(kTermsKey)) worded.SetPayload(key, value);
  });
  return worded;
}

std::string Reworded(const absl::Status& error, const std::function<std::string(std::string_view)>& word_for) {
  const std::string message(error.message());
  std::string worded;
  std::size_t copied = 0;
  for (const TermPlace& place : PlacesIn(error)) {
    worded += message.substr(copied, place.offset - copied);
    worded += word_for(std::string_view(message).substr(place.offset, place.size));
    copied = place.offset + place.size;
  }
  return worded + message.substr(copied);
}

Reason ReasonOf(const absl::Status& error) {
  const absl::optional<absl::Cord> name = error.GetPayload(View(kReasonKey));
  return name ? ParseReason(std::string(*name)).value_or(Reason::kInternal) : Reason::kInternal;
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

std::string Quote(std::string_view whole) {
  constexpr std::size_t kMaxBytes = 73;  // With the first quote.
  const std::string plain = WithoutSteering(whole.substr(0, 2 * kMaxBytes));
  std::string_view text = plain;
  std::string quoted = "'";
  while (!text.empty()) {
    const std::size_t size = PrintableSize(text);
    const std::string character = size > 0 ? std::string(text.substr(0, size))
                                           : fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    if (quoted.size() + character.size() > kMaxBytes) return quoted + "...'";
    quoted += character;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return quoted + "'";
}

}  // namespace tensorferry
