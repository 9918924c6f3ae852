// What one call needs while it is served: gRPC's context of it, its operations. One after another in the same memory.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "base/status.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

class AsyncCall {
 public:
  grpc::ServerContext& context() { return *context_; }
  const grpc::ServerContext& context() const { return *context_; }

  Operation arrived;   // Not ok: the server is shut down; nothing more comes.
  Operation done;      // The call is over, or cancelled. Complete after `finished`, always.
  Operation finished;  // The status is sent.

  // Errors: DEADLINE, CANCELLED: nobody waits for the answer.
  absl::Status CheckCaller() const {
    if (context_->deadline() <= std::chrono::system_clock::now()) {
      return MakeError(Reason::kDeadline, "the call's deadline has passed");
    }
    return context_->IsCancelled() ? MakeError(Reason::kCancelled, "the call was cancelled") : absl::OkStatus();
  }

 protected:
  // A new context, ready for the next call.
  grpc::ServerContext* Renew() {
    context_.emplace();
    context_->AsyncNotifyWhenDone(done.Start());
    return &*context_;
  }

 private:
  std::optional<grpc::ServerContext> context_;
};

template <typename Request, typename Response>
class AsyncUnaryCall : public AsyncCall {
 public:
  Request request;

  // `expect` is the service's Request… method: void(context, request, responder, tag).
  template <typename Expect>
  Operation::Wait Next(Expect&& expect) {
    responder_.reset();
    responder_.emplace(Renew());
    expect(&context(), &request, &*responder_, arrived.Start());
    return Operation::Wait(arrived);
  }

  // `response` counts only with an OK `status`.
  Operation::Wait Finish(const grpc::Status& status, const Response& response) {
    if (status.ok()) {
      responder_->Finish(response, status, finished.Start());
    } else {
      responder_->FinishWithError(status, finished.Start());
    }
    return Operation::Wait(finished);
  }

 private:
  std::optional<grpc::ServerAsyncResponseWriter<Response>> responder_;
};

// `Stream`: grpc::ServerAsyncReaderWriter or ServerAsyncWriter.
template <typename Stream>
class AsyncStreamCall : public AsyncCall {
 public:
  Operation read;
  Operation written;

  // `expect`: void(context, stream, tag).
  template <typename Expect>
  Operation::Wait Next(Expect&& expect) {
    stream_.reset();
    stream_.emplace(Renew());
    wrote_ = false;
    expect(&context(), &*stream_, arrived.Start());
    return Operation::Wait(arrived);
  }

  template <typename Message>
  Operation::Wait Read(Message& message) {
    stream_->Read(&message, read.Start());
    return Operation::Wait(read);
  }

  // `more_follows`: gRPC may wait for the next message before it sends this one. Not the first of a stream: it brings
  // the initial metadata along, whose operation is complete only when they are sent.
  template <typename Message>
  Operation::Wait Write(const Message& message, bool more_follows = false) {
    grpc::WriteOptions options;
    if (more_follows && wrote_) options.set_buffer_hint();
    wrote_ = true;
    stream_->Write(message, options, written.Start());
    return Operation::Wait(written);
  }

  // No write is under way; a read may be, and then ends.
  Operation::Wait Finish(const grpc::Status& status) {
    stream_->Finish(status, finished.Start());
    return Operation::Wait(finished);
  }

 private:
  std::optional<Stream> stream_;
  bool wrote_ = false;
};

}  // namespace tensorferry::rpc
