// What the common code asks of a protocol: how a request is read, and how its response is written.
#pragma once

#include <grpcpp/support/status.h>

#include <concepts>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/intake.h"
#include "rpc/call/response.h"
#include "rpc/serve/guarded.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// A protocol's view of one request once it has started. The request ends with Encode, or with Refuse if it failed or
// Encode did; after either, the object keeps nothing of the request.
template <typename P>
concept ResponseProtocol = requires(P protocol, Response& response, WireWriter& writer, const absl::Status& error) {
  // Encode sets the request_id of `response`, and may move from the rest.
  { protocol.Encode(response, writer) } -> std::same_as<absl::StatusOr<EncodedResponse>>;
  { protocol.Refuse(error) } -> std::same_as<EncodedResponse>;
};

// A protocol's view of a request that one message brings. ServeRequest uses the same object for one request after
// another, so that memory is taken once.
template <typename P>
concept RequestProtocol = ResponseProtocol<P> &&
    requires(P protocol, typename P::Message& message, const absl::Status& status) {
  { protocol.Start(message) } -> std::same_as<absl::StatusOr<Intake>>;
  // FinalStatus is what a call ends with; it logs errors.
  { P::FinalStatus(status) } -> std::same_as<grpc::Status>;
};

// Encodes `response`, or the refusal if it is an error or does not encode.
template <ResponseProtocol P>
EncodedResponse EncodeOrRefuse(P& protocol, absl::StatusOr<Response>& response, WireWriter& writer) {
  absl::StatusOr<EncodedResponse> encoded = Guarded([&]() -> absl::StatusOr<EncodedResponse> {
    TENSORFERRY_RETURN_IF_ERROR(response.status());
    return protocol.Encode(*response, writer);
  });
  return encoded.ok() ? *std::move(encoded) : protocol.Refuse(encoded.status());
}

}  // namespace tensorferry::rpc
