#include "sealed/side_message.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/status.h"

namespace tensorferry::sealed {
namespace {

static_assert(std::endian::native == std::endian::little);

enum class AnswerKind : std::uint16_t { kRegion = 1, kRefused = 2 };

constexpr std::size_t kTagAt = 4;
constexpr std::size_t kNbytesAt = 8;

// Returns the number at byte `at`, which is there.
template <typename Number>
Number NumberAt(std::span<const std::byte> message, std::size_t at) {
  Number number{};
  std::memcpy(&number, message.data() + at, sizeof(number));
  return number;
}

absl::Status BadMessage(const std::string& why) {
  return MakeError(Reason::kBadSharedMemory, fmt::format("the message on the side socket {}", why));
}

std::string Encode(AnswerKind kind, std::uint32_t tag, std::string_view text) {
  std::string answer(kNbytesAt, '\0');
  std::memcpy(answer.data(), &kVersion, sizeof(kVersion));
  std::memcpy(answer.data() + sizeof(kVersion), &kind, sizeof(kind));
  std::memcpy(answer.data() + kTagAt, &tag, sizeof(tag));
  return answer.append(text);
}

}  // namespace

std::uint32_t ReadTag(std::span<const std::byte> message) {
  return message.size() < kNbytesAt ? 0 : NumberAt<std::uint32_t>(message, kTagAt);
}

absl::StatusOr<Ask> ReadAsk(std::span<const std::byte> message) {
  if (message.size() < kAskHeaderBytes) {
    return BadMessage(fmt::format("has {} bytes; its header has {}", message.size(), kAskHeaderBytes));
  }
  const auto version = NumberAt<std::uint16_t>(message, 0);
  if (version != kVersion) return BadMessage(fmt::format("has version {}; this server knows {}", version, kVersion));
  const auto kind = NumberAt<std::uint16_t>(message, sizeof(version));
  const std::span<const std::byte> rest = message.subspan(kAskHeaderBytes);
  Ask ask{.kind = Ask::Kind{kind},
          .tag = ReadTag(message),
          .nbytes = NumberAt<std::uint64_t>(message, kNbytesAt),
          .name = {reinterpret_cast<const char*>(rest.data()), rest.size()}};
  if (ask.kind != Ask::Kind::kHandOver && ask.kind != Ask::Kind::kRelease &&
      ask.kind != Ask::Kind::kHandOverForOutputs) {
    return BadMessage(fmt::format("has kind {}; 1 hands over, 2 releases, 3 hands over for outputs", kind));
  }
  if (ask.kind != Ask::Kind::kRelease && !rest.empty()) {
    return BadMessage(fmt::format("has {} bytes behind its header; one that hands over has none", rest.size()));
  }
  return ask;
}

std::string EncodeName(std::uint32_t tag, std::string_view name) { return Encode(AnswerKind::kRegion, tag, name); }

std::string EncodeRefusal(std::uint32_t tag, const absl::Status& error) {
  const Failure failure = DescribeError(error);
  return Encode(AnswerKind::kRefused, tag, fmt::format("{} {}", Info(failure.reason).name, failure.message));
}

}  // namespace tensorferry::sealed
