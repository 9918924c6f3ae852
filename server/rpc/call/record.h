// Writes what is known of a request into its CallRecord.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/few.h"
#include "rpc/call/intake.h"
#include "rpc/call/response.h"
#include "rpc/serve/asked_model.h"
#include "rpc/serve/call_record.h"

namespace tensorferry::rpc {

// Records that a message of `nbytes` bytes has come for the request.
inline void RecordMessage(std::size_t nbytes, CallRecord& record) {
  record.bytes_in += nbytes;
  ++record.messages_in;
}

// Records the model of a request: the one that is to run, if `intake` has one, or the one that a refused request names.
void RecordModel(const absl::StatusOr<Intake>& intake, const AskedModel& asked, CallRecord& record);

// Returns what became of the arrays of a request that is answered.
Few<ReceivedTensor> TensorsOf(const Response& response);

// Returns the bytes of all elements that the response gives back.
std::uint64_t ElementBytesOf(const Response& response);

// Records the stages of a request that is answered.
void RecordStages(const Response& response, CallRecord& record);

}  // namespace tensorferry::rpc
