#pragma once

#include "absl/status/status.h"
#include "inference/isolation/message.h"

namespace tensorferry::inference {

// Writes a status with its message and all details, the log's text and the places of terms included.
void PutStatus(const absl::Status& status, MessageWriter& message);

// Reads what PutStatus has written.
absl::Status GetStatus(MessageReader& message);

}  // namespace tensorferry::inference
