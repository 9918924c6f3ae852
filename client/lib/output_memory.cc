#include "lib/output_memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>

#include "base/status.h"

namespace tensorferry::client {
namespace {

std::atomic<std::uint64_t> forks_so_far = 0;

void CountFork() { ++forks_so_far; }

// Returns how often this process was forked since the first call. Without a handler it would count none: then no memory
// would be kept from being used again.
std::uint64_t Forks() {
  static const int registered = pthread_atfork(CountFork, nullptr, nullptr);
  static_cast<void>(registered);
  return forks_so_far;
}

}  // namespace

OutputMemory::OutputMemory(std::shared_ptr<SealedMemory> memory, std::span<const std::byte> bytes)
    : memory_(std::move(memory)), bytes_(bytes), forks_(Forks()) {}

// The pages are mapped for reading alone, so that they stay those of the memfd, and all at once, as all will be read.
absl::StatusOr<std::shared_ptr<OutputMemory>> OutputMemory::Make(std::uint64_t nbytes) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<SealedMemory> memory, SealedMemory::Make(MemoryKind::kForOutputs));
  TENSORFERRY_RETURN_IF_ERROR(memory->Allocate(nbytes));
  void* const pages = mmap(nullptr, nbytes, PROT_READ, MAP_SHARED | MAP_POPULATE, memory->file(), 0);
  if (pages == MAP_FAILED) return NoMemory(nbytes, errno);
  const std::span bytes(static_cast<const std::byte*>(pages), nbytes);
  return std::shared_ptr<OutputMemory>(new OutputMemory(std::move(memory), bytes));
}

OutputMemory::~OutputMemory() { munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

bool OutputMemory::CanBeUsedAgain() const { return memory_->region() != nullptr && forks_ == Forks(); }

}  // namespace tensorferry::client
