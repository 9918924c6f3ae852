#include "payload/element_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "base/status.h"

namespace tensorferry {
namespace {

constexpr std::size_t kBlock = std::size_t{16}
                               << 10;  // Source and destination together fit a 32 KiB first-level cache.

std::uint16_t Swap(std::uint16_t value) { return __builtin_bswap16(value); }
std::uint32_t Swap(std::uint32_t value) { return __builtin_bswap32(value); }
std::uint64_t Swap(std::uint64_t value) { return __builtin_bswap64(value); }

// Loading each word through memcpy allows any alignment, and compilers turn the loop into vector shuffles.
template <typename Word>
void SwapWords(std::span<std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, &bytes[i], sizeof(Word));
    word = Swap(word);
    std::memcpy(&bytes[i], &word, sizeof(Word));
  }
}

bool HasOtherThanBools(std::span<const std::byte> bytes) {
  std::byte bits{};
  for (const std::byte byte : bytes) bits |= byte;
  return bits > std::byte{1};
}

}  // namespace

void SwapBytes(std::span<std::byte> elements, std::size_t width) {
  switch (width) {
    case 2: return SwapWords<std::uint16_t>(elements);
    case 4: return SwapWords<std::uint32_t>(elements);
    case 8: return SwapWords<std::uint64_t>(elements);
    default: assert(width == 1);
  }
}

ElementCopier::ElementCopier(const ArrayHeader& header, Fidelity fidelity, std::byte* destination, DigestStream* digest)
    : destination_(destination),
      digest_(digest),
      total_(header.nbytes()),
      swap_width_(header.byte_swapped() ? Info(header.dtype()).swap_width : 1),
      is_bool_(header.dtype() == DType::kBool),
      fidelity_(fidelity) {}

absl::Status ElementCopier::Append(std::span<const std::byte> piece) {
  assert(piece.size() <= missing());
  while (!piece.empty()) {
    const std::span<const std::byte> block = piece.first(std::min(piece.size(), kBlock));
    std::memcpy(destination_ + copied_, block.data(), block.size());
    copied_ += block.size();
    piece = piece.subspan(block.size());
    TENSORFERRY_RETURN_IF_ERROR(FinishElements(copied_ - copied_ % swap_width_));
  }
  return absl::OkStatus();
}

absl::Status ElementCopier::FinishElements(std::size_t end) {
  const std::span<std::byte> elements(destination_ + finished_, end - finished_);
  SwapBytes(elements, swap_width_);
  if (is_bool_ && HasOtherThanBools(elements)) {
    if (fidelity_ == Fidelity::kStrict) {
      const auto bad = std::ranges::find_if(elements, [](std::byte byte) { return byte > std::byte{1}; });
      return MakeError(Reason::kBoolRange,
                       fmt::format("bool element {} (in the order sent) is neither 0 nor 1",
                                   finished_ + static_cast<std::size_t>(bad - elements.begin())),
                       {.field = "data", .expected = "0 or 1"});
    }
    for (std::byte& byte : elements) byte = std::byte{byte != std::byte{0}};
    normalized_bools_ = true;
  }
  if (digest_ != nullptr) digest_->Update(elements);
  finished_ = end;
  return absl::OkStatus();
}

}  // namespace tensorferry
