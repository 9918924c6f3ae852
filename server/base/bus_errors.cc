#include "base/bus_errors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tensorferry {
namespace {

// Slot is one WatchedMapping in the form that the signal handler reads: atomics, as the handler may take no lock.
struct Slot {
  std::atomic<std::uintptr_t> begin = 0;
  std::atomic<std::uintptr_t> end = 0;  // 0: the slot is free.
  std::atomic<bool> truncated = false;
};

// MappingTable is the process's only table of watched mappings: a signal handler cannot be given a reference to one.
class MappingTable {
 public:
  static MappingTable& Get() {
    static MappingTable table;
    return table;
  }

  // Returns nothing if no slot is free.
  std::optional<std::size_t> Add(std::span<const std::byte> pages) {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::nullopt;
    const std::size_t slot = free_.back();
    free_.pop_back();
    slots_[slot].truncated = false;
    slots_[slot].begin = reinterpret_cast<std::uintptr_t>(pages.data());
    slots_[slot].end = reinterpret_cast<std::uintptr_t>(pages.data()) + pages.size();
    return slot;
  }

  void Remove(std::size_t slot) {
    const std::lock_guard lock(mutex_);
    slots_[slot].end = 0;
    free_.push_back(slot);
  }

  bool IsTruncated(std::size_t slot) const { return slots_[slot].truncated; }

  // Replaces the pages of the mapping from the one that holds `address` to the last by pages of zeros. Returns false if
  // `address` is in no watched mapping. The signal handler calls it.
  bool Mend(std::uintptr_t address) {
    for (Slot& slot : slots_) {
      const std::uintptr_t end = slot.end;
      if (address >= end || address < slot.begin) continue;
      const std::uintptr_t page = address - address % page_bytes_;
      slot.truncated = true;  // Comes before the pages: a thread that reads zeros must find `truncated` set.
      void* const mended = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      return mended != MAP_FAILED;
    }
    return false;
  }

 private:
  MappingTable() {
    for (std::size_t i = slots_.size(); i-- > 0;) free_.push_back(i);
  }

  const std::size_t page_bytes_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::array<Slot, WatchedMapping::kMaxAtOnce> slots_;
  std::mutex mutex_;
  std::vector<std::size_t> free_;
};

// previous_action is the handler that BusErrorHandler replaced. It is written only while OnBusError is not installed.
struct sigaction previous_action {};

void OnBusError(int signal, siginfo_t* info, void* context) {
  if (MappingTable::Get().Mend(reinterpret_cast<std::uintptr_t>(info->si_addr))) return;
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) return previous_action.sa_sigaction(signal, info, context);
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    return previous_action.sa_handler(signal);
  }
  std::signal(SIGBUS, SIG_DFL);  // When this handler returns, the fault comes again and ends the process.
}

}  // namespace

BusErrorHandler::BusErrorHandler() {
  MappingTable::Get();  // The table is made here, since the signal handler may not allocate.
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGBUS, nullptr, &previous_action);
  sigaction(SIGBUS, &action, nullptr);
}

BusErrorHandler::~BusErrorHandler() { sigaction(SIGBUS, &previous_action, nullptr); }

std::optional<WatchedMapping> WatchedMapping::Watch(std::span<const std::byte> pages) {
  const auto slot = MappingTable::Get().Add(pages);
  return slot ? std::optional(WatchedMapping(*slot)) : std::nullopt;
}

WatchedMapping::~WatchedMapping() {
  if (slot_) MappingTable::Get().Remove(*slot_);
}

bool WatchedMapping::truncated() const { return slot_ && MappingTable::Get().IsTruncated(*slot_); }

}  // namespace tensorferry
