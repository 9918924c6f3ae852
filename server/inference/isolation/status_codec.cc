#include "inference/isolation/status_codec.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"

namespace tensorferry::inference {
namespace {

absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void PutStatus(const absl::Status& status, MessageWriter& message) {
  std::vector<std::pair<std::string, std::string>> payloads;
  status.ForEachPayload([&](absl::string_view key, const absl::Cord& value) {
    payloads.emplace_back(std::string(key), std::string(value));
  });
  message.Put(static_cast<std::int32_t>(status.raw_code()));
  message.Put(std::string_view(status.message().data(), status.message().size()));
  message.Put(static_cast<std::uint64_t>(payloads.size()));
  for (const auto& [key, value] : payloads) {
    message.Put(std::string_view(key));
    message.Put(std::string_view(value));
  }
}

absl::Status GetStatus(MessageReader& message) {
  const auto code = static_cast<absl::StatusCode>(message.Get<std::int32_t>());
  absl::Status status(code, AbslView(message.GetText()));
  for (std::size_t left = message.GetCount(); left > 0; --left) {
    const std::string_view key = message.GetText();
    const std::string_view value = message.GetText();
    if (!status.ok()) status.SetPayload(AbslView(key), absl::Cord(AbslView(value)));
  }
  return status;
}

}  // namespace tensorferry::inference
