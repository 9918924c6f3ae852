// Convert and ConvertStream in the form in which unary_serving.h and stream_serving.h serve them.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/call/incoming_message.h"
#include "rpc/call/intake.h"
#include "rpc/call/output_place.h"
#include "rpc/call/stream_protocol.h"
#include "rpc/native/convert_stream.h"
#include "rpc/native/request_decoder.h"
#include "rpc/serve/call_chain.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// ConvertProtocol is the RequestProtocol of Convert.
class ConvertProtocol {
 public:
  using Message = IncomingMessage<ConvertDecoder>;

  explicit ConvertProtocol(const CallEnvironment& environment) : environment_(environment) {}

  absl::StatusOr<Intake> Start(Message& message, Admission& admission);
  absl::StatusOr<EncodedResponse> Encode(Response& response, WireWriter& writer);
  bool IsLongToAnswer(const inference::PipelineResponse& result) const { return output_ && IsLongToWrite(result); }
  EncodedResponse Refuse(const absl::Status& error);
  static absl::Status Worded(const absl::Status& error) { return error; }
  std::string_view request_id() const { return request_id_; }
  BufferPool& pool() const { return environment_.pool; }
  const CallChain& chain() const { return environment_.chain; }
  static const google::protobuf::MethodDescriptor& Method();

 private:
  const CallEnvironment& environment_;
  std::string request_id_;
  std::optional<OutputPlace> output_;  // Nothing: all elements are sent.
};

// ConvertStreamProtocol brings the messages of gRPC's streams to a ConvertStreamSession.
class ConvertStreamProtocol final : public StreamProtocol {
 public:
  explicit ConvertStreamProtocol(const CallEnvironment& environment) : environment_(environment) {}

  void Begin(AsyncCall& call) override;
  void End() override;
  grpc::ByteBuffer& message() override { return message_.bytes; }
  bool message_is_long() override { return message_.is_long(); }
  absl::StatusOr<Owed> Take() override;
  absl::StatusOr<Owed> GoOn() override;
  EncodedResponse TakeResponse() override { return session_->TakeResponse(); }
  bool awaits_rest() const override { return session_->awaits_rest(); }
  absl::Status OnEnd() const override { return session_->OnEnd(); }
  grpc::Status FinalStatus(const absl::Status& status) const override;

 private:
  absl::StatusOr<Owed> TakeDecoded();
  absl::StatusOr<Owed> WhatIsOwed();

  const CallEnvironment& environment_;
  const AsyncCall* call_ = nullptr;  // Null until there is a stream.
  IncomingMessage<ConvertStreamDecoder> message_;
  std::optional<ConvertStreamSession> session_;  // Exists while there is a stream.
};

}  // namespace tensorferry::rpc
