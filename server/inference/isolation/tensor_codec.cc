#include "inference/isolation/tensor_codec.h"

#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "absl/numeric/int128.h"
#include "base/status.h"
#include "inference/isolation/arena_allocator.h"
#include "inference/tensor/retained_memory.h"
#include "inference/tensor/tensor.h"
#include "inference/tensor/torch_dtype.h"

namespace tensorferry::inference {
namespace {

constexpr std::uint64_t kNoBlock = 0;  // The offset that stands for "no elements": no block begins there.

absl::Status Damaged() {
  return MakeError(Reason::kInternal, "a worker process sent a tensor that lies outside the memory it shares");
}

// Returns the bytes from the first to the last element. Returns nothing if they are more than any memory has, or if a
// size or stride is negative.
std::optional<std::uint64_t> SpanOf(std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides,
                                    std::size_t itemsize) {
  absl::uint128 last = 0;
  bool empty = false;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0 || strides[i] < 0) return std::nullopt;
    empty |= sizes[i] == 0;
    if (sizes[i] > 1) last += absl::uint128(sizes[i] - 1) * absl::uint128(strides[i]);
    if (last > std::numeric_limits<std::int64_t>::max() / 16) return std::nullopt;
  }
  return empty ? 0 : static_cast<std::uint64_t>((last + 1) * itemsize);
}

std::vector<std::int64_t> Copied(at::IntArrayRef numbers) { return {numbers.begin(), numbers.end()}; }

// LentBlock is a block that the other process has lent; its destructor returns the block.
struct LentBlock {
  LentBlock(std::shared_ptr<SharedArena> of, std::byte* lent) : arena(std::move(of)), block(lent) {}
  LentBlock(const LentBlock&) = delete;
  LentBlock& operator=(const LentBlock&) = delete;
  ~LentBlock() { arena->Return(block); }

  const std::shared_ptr<SharedArena> arena;
  std::byte* const block;
};

absl::StatusOr<NamedTensor> GetTensor(MessageReader& message, const std::shared_ptr<SharedArena>& arena) {
  NamedTensor named{.name = std::string(message.GetText()), .tensor = {}};
  const auto dtype = message.Get<std::uint8_t>();
  const std::vector<std::int64_t> sizes = message.GetNumbers();
  const std::vector<std::int64_t> strides = message.GetNumbers();
  const bool strings = message.GetBool();
  const std::vector<std::int64_t> shape = message.GetNumbers();
  if (strings) named.strings.emplace(shape.begin(), shape.end());
  const auto block_place = message.Get<std::uint64_t>();
  const auto place = message.Get<std::uint64_t>();
  if (dtype >= kDTypes.size() || sizes.size() != strides.size()) return Damaged();
  const auto span = SpanOf(sizes, strides, kDTypes.at(dtype).itemsize);
  if (!span) return Damaged();
  std::shared_ptr<std::byte> elements;
  if (*span > 0) {
    std::byte* const block = arena->Find(block_place, place, *span);
    if (block == nullptr) return Damaged();
    elements = std::shared_ptr<std::byte>(std::make_shared<LentBlock>(arena, block), block + (place - block_place));
  }
  named.tensor = TensorOver(std::move(elements), kDTypes.at(dtype).dtype, {sizes, strides});
  return named;
}

}  // namespace

TensorLender::~TensorLender() {
  for (std::byte* const block : lent_) arena_.Return(block);
}

absl::Status TensorLender::Put(const std::vector<NamedTensor>& tensors, MessageWriter& message) {
  const RetainedMemory retained(tensors);
  message.Put(static_cast<std::uint64_t>(tensors.size()));
  for (const NamedTensor& named : tensors) {
    const bool stays = named.tensor.defined() && named.tensor.has_storage() && !retained.Holds(named.tensor);
    TENSORFERRY_RETURN_IF_ERROR(PutTensor(named, stays, message));
  }
  return absl::OkStatus();
}

absl::Status TensorLender::PutTensor(const NamedTensor& named, bool stays, MessageWriter& message) {
  TENSORFERRY_RETURN_IF_ERROR(Describe(named, std::numeric_limits<std::int64_t>::max()).status());
  const bool is_lazy = named.tensor.is_conj() || named.tensor.is_neg();
  const at::Tensor tensor = is_lazy ? named.tensor.resolve_conj().resolve_neg() : named.tensor;
  const std::vector<std::int64_t> sizes = Copied(tensor.sizes());
  const std::vector<std::int64_t> strides = Copied(tensor.strides());
  const DType dtype = *FromTorch(tensor.scalar_type());
  const auto span = SpanOf(sizes, strides, Info(dtype).itemsize);
  if (!span) return Damaged();
  message.Put(std::string_view(named.name));
  message.Put(dtype);
  message.Put(sizes);
  message.Put(strides);
  message.Put(named.strings.has_value());
  message.Put(named.strings ? std::vector<std::int64_t>(named.strings->begin(), named.strings->end())
                            : std::vector<std::int64_t>());
  if (*span == 0) {
    message.Put(kNoBlock);
    message.Put(kNoBlock);
    return absl::OkStatus();
  }
  const auto* const data = static_cast<const std::byte*>(tensor.const_data_ptr());
  std::byte* block = stays && !is_lazy ? BlockOf(tensor, arena_) : nullptr;
  std::uint64_t place = block == nullptr ? 0 : arena_.OffsetOf(data);
  if (block == nullptr) {
    TENSORFERRY_ASSIGN_OR_RETURN(block, arena_.Take(*span));
    std::memcpy(block, data, *span);
    place = arena_.OffsetOf(block);
    arena_.Lend(block);
    arena_.GiveBack(block);  // Only the receiver uses the copy.
  } else {
    arena_.Lend(block);
  }
  lent_.push_back(block);
  message.Put(arena_.OffsetOf(block));
  message.Put(place);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<NamedTensor>> GetTensors(MessageReader& message, const std::shared_ptr<SharedArena>& arena) {
  std::vector<NamedTensor> tensors;
  for (std::size_t left = message.GetCount(); left > 0; --left) {
    TENSORFERRY_ASSIGN_OR_RETURN(NamedTensor named, GetTensor(message, arena));
    tensors.push_back(std::move(named));
  }
  return tensors;
}

}  // namespace tensorferry::inference
