#include "lib/output_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/status.h"
#include "tensorferry/client/error.h"

namespace tensorferry::client {
namespace {

// Below, the copies of a message take a fraction of a millisecond: memory would be kept for hardly anything.
constexpr std::uint64_t kLeast = std::uint64_t{1} << 20;
constexpr std::uint64_t kMost = SideConnection::kMostKeptBytes;
constexpr std::uint64_t kAlignment = 64;                   // A server begins each tensor at a multiple of it.
constexpr std::uint64_t kMostSpare = 4;                    // How many times the bytes that are wanted memory may have.
constexpr std::uint64_t kCopied = std::uint64_t{1} << 16;  // Tensors of fewer bytes are copies.
constexpr std::uint64_t kPage = std::uint64_t{1} << 12;    // Sizes are multiples of it, as pages are taken whole.
constexpr std::size_t kMostSizes = 256;

// Returns whether a server that has refused memory would refuse it again, as it is older, or the system is.
bool IsForGood(const absl::Status& refused) {
  const std::string reason = ToError(refused).reason;
  if (reason.empty()) return absl::IsUnknown(refused);
  return reason != Info(Reason::kMemoryBudget).name && reason != Info(Reason::kTensorTooLarge).name;
}

}  // namespace

OutputLease::~OutputLease() {
  const std::shared_ptr<OutputPool> pool = pool_.lock();
  if (pool == nullptr) return;
  if (is_answered_) {
    pool->GiveBack(std::move(memory_));
  } else {
    pool->EndWait();
  }
}

void OutputLease::Take(std::shared_ptr<OutputMemory> memory, std::shared_ptr<const Region> region) {
  memory_ = std::move(memory);
  name_ = region->name();
  region_ = std::move(region);
}

void OutputLease::Answered() {
  if (is_answered_) return;
  is_answered_ = true;
  region_.reset();
  if (const std::shared_ptr<OutputPool> pool = pool_.lock()) pool->EndWait();
}

absl::StatusOr<TensorData> OutputLease::DataAt(std::string_view region, std::uint64_t offset, std::uint64_t nbytes) {
  const std::span<const std::byte> all = memory_->bytes();
  if (region != name_ || offset > all.size() || nbytes > all.size() - offset) {
    return absl::InternalError(
        fmt::format("elements came in {} bytes from {} of another memory than was offered", nbytes, offset));
  }
  const std::span<const std::byte> elements = all.subspan(offset, nbytes);
  if (nbytes >= kCopied) return TensorData(elements, shared_from_this());
  return TensorData(std::string(reinterpret_cast<const char*>(elements.data()), elements.size()));
}

std::uint64_t OutputPool::Expected(const OutputKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto known = sizes_.find(key);
  if (known != sizes_.end()) return known->second;
  return guess_ == Guess::kNothing ? 0 : key.nbytes;
}

void OutputPool::Learn(const OutputKey& key, const Response& response) {
  std::vector<std::uint64_t> sizes;
  for (const auto* const tensors : {&response.tensors, &response.outputs}) {
    for (const Tensor& tensor : *tensors) sizes.push_back(tensor.data ? tensor.data->size() : 0);
  }
  const std::uint64_t nbytes = MemoryFor(sizes);
  const std::scoped_lock lock(mutex_);
  if (nbytes < kLeast && guess_ == Guess::kNothing) {  // It need not be known.
    sizes_.erase(key);
    return;
  }
  if (sizes_.size() >= kMostSizes && !sizes_.contains(key)) sizes_.clear();
  sizes_[key] = nbytes;
}

std::shared_ptr<OutputLease> OutputPool::Lend(std::uint64_t nbytes, SideConnection& side,
                                              SideConnection::Clock::time_point give_up) {
  if (nbytes < kLeast || nbytes > kMost || !BeginWait()) return nullptr;
  auto lease = std::make_shared<OutputLease>(weak_from_this());
  while (Memory memory = TakeFree(nbytes)) {
    auto region = side.HandOver(memory->memory(), SideConnection::Keep::kWithMemory, give_up);
    if (!region.ok()) continue;  // A server that has ended has had it.
    lease->Take(std::move(memory), *std::move(region));
    return lease;
  }
  Memory memory;
  auto region = HandOverNew(nbytes, side, memory, give_up);
  if (region.ok()) {
    lease->Take(std::move(memory), *std::move(region));
    return lease;
  }
  if (IsForGood(region.status())) {
    const std::scoped_lock lock(mutex_);
    is_off_ = true;  // What was given back is of no more use, and goes with the pool.
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<const Region>> OutputPool::HandOverNew(std::uint64_t nbytes, SideConnection& side,
                                                                      Memory& memory,
                                                                      SideConnection::Clock::time_point give_up) {
  TENSORFERRY_RETURN_IF_ERROR(side.Reach(give_up));
  TENSORFERRY_ASSIGN_OR_RETURN(memory, OutputMemory::Make((nbytes + kPage - 1) / kPage * kPage));
  auto region = side.HandOver(memory->memory(), SideConnection::Keep::kWithMemory, give_up);
  if (region.ok()) memory->memory()->CloseFile();
  return region;
}

void OutputPool::Forget() {
  std::vector<Memory> forgotten;  // It is destroyed without the lock.
  const std::scoped_lock lock(mutex_);
  forgotten.swap(free_);
}

bool OutputPool::BeginWait() {
  const std::scoped_lock lock(mutex_);
  if (is_off_ || awaited_ == kMostAwaited) return false;
  ++awaited_;
  return true;
}

void OutputPool::EndWait() {
  const std::scoped_lock lock(mutex_);
  --awaited_;
}

void OutputPool::GiveBack(Memory memory) {
  std::vector<Memory> unusable;  // It is destroyed without the lock.
  const std::scoped_lock lock(mutex_);
  if (!is_off_) free_.push_back(std::move(memory));
  unusable = Unusable();
}

// Returns memory of a fitting size; null if there is none.
OutputPool::Memory OutputPool::TakeFree(std::uint64_t nbytes) {
  std::vector<Memory> unusable;  // It is destroyed without the lock.
  const std::scoped_lock lock(mutex_);
  unusable = Unusable();
  const auto fits = [&](const Memory& memory) {
    const std::uint64_t size = memory->bytes().size();
    return size >= nbytes && size <= kMostSpare * nbytes;
  };
  const auto last = std::find_if(free_.rbegin(), free_.rend(), fits);
  if (last == free_.rend()) return nullptr;
  Memory memory = std::move(*last);
  free_.erase(std::next(last).base());
  return memory;
}

// Takes out of free_ what cannot be used again. Call it with mutex_ locked.
std::vector<OutputPool::Memory> OutputPool::Unusable() {
  const auto first =
      std::stable_partition(free_.begin(), free_.end(), [](const Memory& memory) { return memory->CanBeUsedAgain(); });
  std::vector<Memory> unusable(std::make_move_iterator(first), std::make_move_iterator(free_.end()));
  free_.erase(first, free_.end());
  return unusable;
}

std::uint64_t MemoryFor(std::span<const std::uint64_t> sizes) {
  std::uint64_t nbytes = 0;
  for (const std::uint64_t size : sizes) {
    if (size > kMost) return kMost + 1;
    nbytes = std::min(nbytes + (size + kAlignment - 1) / kAlignment * kAlignment, kMost + 1);
  }
  return nbytes;
}

}  // namespace tensorferry::client
