// What the common code asks of a protocol: how a request is read, and how its response is written.
#pragma once

#include <concepts>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/intake.h"
#include "rpc/call/response.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/guarded.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// A protocol's view of one request once it has started. The request ends with Encode, or with Refuse if it failed or
// Encode did; after either, the object keeps nothing of the request.
template <typename P>
concept ResponseProtocol = requires(P protocol, Response& response, WireWriter& writer, const absl::Status& error) {
  // Worded is `error` in the words of the protocol; Refuse gets it so.
  { P::Worded(error) } -> std::same_as<absl::Status>;
  // Encode sets the request_id of `response`, and may move from the rest.
  { protocol.Encode(response, writer) } -> std::same_as<absl::StatusOr<EncodedResponse>>;
  { protocol.Refuse(error) } -> std::same_as<EncodedResponse>;
};

// A protocol's view of a request that one message brings. ServeRequest uses the same object for one request after
// another, so that memory is taken once.
template <typename P>
concept RequestProtocol = ResponseProtocol<P> && requires(P protocol, typename P::Message& message) {
  { protocol.Start(message) } -> std::same_as<absl::StatusOr<Intake>>;
  // The steps that each request goes through, and the method that they see.
  { protocol.chain() } -> std::same_as<const CallChain&>;
  { P::Method() } -> std::same_as<const google::protobuf::MethodDescriptor&>;
};

// Ends a request: encodes `response`, or the refusal if it is an error or does not encode, and tells the steps of
// `admission`. The request stays inside the gate until the result is destroyed.
template <ResponseProtocol P>
EncodedResponse EndRequest(P& protocol, Admission& admission, absl::StatusOr<Response>& response, WireWriter& writer) {
  absl::StatusOr<EncodedResponse> encoded = Guarded([&]() -> absl::StatusOr<EncodedResponse> {
    TENSORFERRY_RETURN_IF_ERROR(response.status());
    return protocol.Encode(*response, writer);
  });
  const absl::Status end = encoded.ok() ? absl::OkStatus() : P::Worded(encoded.status());
  admission.Finish(end);
  EncodedResponse ended = encoded.ok() ? *std::move(encoded) : protocol.Refuse(end);
  ended.Keep(admission.TakePass());
  return ended;
}

}  // namespace tensorferry::rpc
