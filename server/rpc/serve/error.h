// Errors in the form in which gRPC carries them and the log states them. LogError is the only function of rpc/ that
// logs the error of a request or of a stream: LogStep and FinalStatus call it.
#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "base/log_fields.h"
#include "base/status.h"

namespace tensorferry::rpc {

class AsyncCall;

// Returns what the caller may see of `error`: texts in printable ASCII, short enough for gRPC's trailers, and no words
// of a library.
Failure FailureForCaller(const absl::Status& error);

// Returns gRPC's number of a failure's code.
int CodeOf(const Failure& failure);

// Returns `error` as the status of a call. The details hold google.rpc.ErrorInfo, and RetryInfo if a retry helps.
grpc::Status ToGrpcStatus(const absl::Status& error);

// Adds `grpc-retry-pushback-ms` to the metadata of the call's end if `error` says when a retry helps: clients of gRPC with
// a retry policy then try again at that time. Not to be called once the call has ended.
void AddPushback(const absl::Status& error, AsyncCall& call);

// Returns `end` as the status of a call, with that metadata.
grpc::Status EndOfCall(const absl::Status& end, AsyncCall& call);

// Returns the status with which a call of `method` ends. Logs an error.
grpc::Status FinalStatus(std::string_view method, const absl::Status& status);

// Writes one line into the log. A refusal has the level debug. A failure of ours is a warning, which ends with the
// library's own words if there are any: within a LogLimit for each reason, as callers decide how many there are.
// `fields_of` is called if the line is written; empty: the line has no fields but the reason.
void LogError(std::string_view method, const absl::Status& error,
              const std::function<LogFields()>& fields_of = nullptr);

}  // namespace tensorferry::rpc
