#pragma once

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "lib/request.h"

namespace tensorferry::client {

// SealedCopy returns a memfd that holds a copy of the elements, as they travel, and that nobody can change any more.
// Errors: RESOURCE_EXHAUSTED where the system has no memory for it. Nothing is mapped, so that a lack of pages is no
//         SIGBUS.
absl::StatusOr<FileDescriptor> SealedCopy(const ChunkedElements& elements);

}  // namespace tensorferry::client
