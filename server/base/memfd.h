// Checks of a descriptor that another process has handed over, of which nothing is assumed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"

namespace tensorferry {

// BadDescriptor returns the error of a descriptor that is not taken: BAD_SHARED_MEMORY.
absl::Status BadDescriptor(const std::string& why, const ErrorDetails& details = {});

// SealsOf returns the seals of a memfd. Ask for them before anything else: another process may answer for a descriptor
// of any other kind, and would keep the answer back for as long as it likes.
// Errors: BAD_SHARED_MEMORY if it is no memfd.
absl::StatusOr<int> SealsOf(int file);

// CheckOrdinaryPages refuses what is no memfd of ordinary pages, or cannot be read: BAD_SHARED_MEMORY.
absl::Status CheckOrdinaryPages(int file);

// CheckWhole refuses memory that does not have exactly `nbytes` bytes, at least one, and memory with holes, for which the
// server would pay when it touches them: BAD_SHARED_MEMORY. It frees pages beyond the end of the memory. Only once the
// memory is sealed with F_SEAL_GROW are there none from then on.
absl::Status CheckWhole(int file, std::uint64_t nbytes);

// NotMapped returns the error where the system maps no more memory now: MEMORY_BUDGET.
absl::Status NotMapped();

}  // namespace tensorferry
