// Concepts of a protocol: they say how the code that all protocols share reads a request and writes its response.
#pragma once

#include <concepts>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/answer_bytes.h"
#include "base/buffer_pool.h"
#include "base/status.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/intake.h"
#include "rpc/call/record.h"
#include "rpc/call/response.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/guarded.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// ResponseProtocol is a protocol's view of one request that has started. The request ends with Encode; if it failed, or
// if Encode fails, it ends with Refuse. After either call the object holds no model, region or memory of the request.
template <typename P>
concept ResponseProtocol = requires(P protocol, Response& response, WireWriter& writer, const absl::Status& error) {
  // request_id() returns the caller's name for the request that has started; valid until the next one starts.
  { protocol.request_id() } -> std::same_as<std::string_view>;
  // Worded returns `error` in the words of the protocol. Refuse gets the error in these words.
  { P::Worded(error) } -> std::same_as<absl::Status>;
  // IsLongToAnswer returns whether Encode takes long for what a model gave, and so belongs on a thread of the WorkerPool.
  { protocol.IsLongToAnswer(response.result) } -> std::same_as<bool>;
  // Encode sets the request_id of `response`, and may move from the rest.
  { protocol.Encode(response, writer) } -> std::same_as<absl::StatusOr<EncodedResponse>>;
  { protocol.Refuse(error) } -> std::same_as<EncodedResponse>;
  // pool() returns the pool whose memory budget admits what an answer takes.
  { protocol.pool() } -> std::same_as<BufferPool&>;
};

// RequestProtocol is a protocol's view of a request that one message brings. ServeRequest uses the same object for one
// request after another, so that its memory is taken once.
template <typename P>
concept RequestProtocol = ResponseProtocol<P> &&
    requires(P protocol, typename P::Message& message, Admission& admission) {
  // Start decodes the message and takes the request in, for the caller of `admission`. It records the model there.
  { protocol.Start(message, admission) } -> std::same_as<absl::StatusOr<Intake>>;
  // chain() returns the steps through which each request goes, and Method() the method that these steps see.
  { protocol.chain() } -> std::same_as<const CallChain&>;
  { P::Method() } -> std::same_as<const google::protobuf::MethodDescriptor&>;
};

// Ends a request: encodes `response`, or the refusal if `response` is an error, cannot be encoded or takes more than the
// memory budget has room for, and tells the steps of `admission`. The request stays inside the gate until the result is
// destroyed.
template <ResponseProtocol P>
EncodedResponse EndRequest(P& protocol, Admission& admission, absl::StatusOr<Response>& response, WireWriter& writer) {
  CallRecord& record = admission.record();
  if (admission.status().ok()) record.request_id = protocol.request_id();  // Else no request has started.
  Few<ReceivedTensor> tensors;
  absl::StatusOr<EncodedResponse> encoded = Guarded([&]() -> absl::StatusOr<EncodedResponse> {
    TENSORFERRY_RETURN_IF_ERROR(response.status());
    tensors = TensorsOf(*response);
    RecordStages(*response, record);
    record.element_bytes_out = ElementBytesOf(*response);
    absl::StatusOr<EncodedResponse> made = protocol.Encode(*response, writer);
    if (made.ok() && made->own_bytes() > kUncountedAnswerBytes) [[unlikely]] {
      TENSORFERRY_RETURN_IF_ERROR(made->Count({protocol.pool(), &admission.caller()}));
    }
    return made;
  });
  if (encoded.ok()) {
    record.tensors = tensors;
  } else {
    writer.Clear();  // It may refer to elements that are not sent, and none of the next requests need write anything.
  }
  const absl::Status end = encoded.ok() ? absl::OkStatus() : P::Worded(encoded.status());
  EncodedResponse ended = encoded.ok() ? *std::move(encoded) : protocol.Refuse(end);
  record.bytes_out = ended.nbytes();
  record.messages_out = ended.messages();
  Sending sending = admission.Finish(end);
  ended.Keep(admission.TakePass(), std::move(sending));
  return ended;
}

}  // namespace tensorferry::rpc
