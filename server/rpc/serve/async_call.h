// AsyncCall and its classes: the calls of one coroutine, one after another in the same memory, each with gRPC's context
// of the call and its operations.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/memory_peer.h"
#include "base/status.h"
#include "base/thread_annotations.h"
#include "rpc/serve/deadline.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

class AsyncCall : public MemoryPeer {
 public:
  // Returns the caller's name, by its certificate or its address. Defined in call_metadata.cc.
  std::string memory_name() const override;

  // Returns its kHeldKey, if the call is from within this process. Defined in call_metadata.cc.
  std::uint64_t held_bytes() const override;

  grpc::ServerContext& context() { return *context_; }
  const grpc::ServerContext& context() const { return *context_; }

  // Completes when a call has come. Not ok: the server is shut down, and no other call comes. gRPC then never completes
  // `done`: https://github.com/grpc/grpc/issues/10136
  Operation arrived;

  // Completes when the call is over or cancelled. After Finish it completes in any case, and only then may the context
  // be renewed. If the call is cancelled, `done` may complete before `finished`.
  Operation done;

  // Completes when the status is sent.
  Operation finished;

  // Checks that the caller still waits for the response. Virtual for unit tests, which have no caller.
  // Errors: DEADLINE, CANCELLED.
  virtual absl::Status CheckCaller() const {
    if (DeadlineOf(*context_) <= std::chrono::system_clock::now()) {
      return MakeError(Reason::kDeadline, "the call's deadline has passed");
    }
    return context_->IsCancelled() ? MakeError(Reason::kCancelled, "the call was cancelled") : absl::OkStatus();
  }

  // Returns what gRPC knows of who calls. It is made when it is first asked for, and two coroutines of a stream may do so at
  // once.
  std::shared_ptr<const grpc::AuthContext> auth_context() const {
    const MutexLock lock(auth_mutex_);
    return context_->auth_context();
  }

  // Returns gRPC's context of the call. Null in unit tests, which have no caller.
  const grpc::ServerContext* context_or_null() const { return context_ ? &*context_ : nullptr; }

  // Adds to the metadata that the caller gets with the status. Not to be called once the call has ended.
  void AddToAnswer(const std::string& key, const std::string& value) {
    if (context_) context_->AddTrailingMetadata(key, value);
  }

  // Ends the call, whose operations then complete.
  virtual void Cancel() { context_->TryCancel(); }

 protected:
  // Makes a new context for the next call.
  grpc::ServerContext* Renew() {
    context_.emplace();
    context_->AsyncNotifyWhenDone(done.Start());
    return &*context_;
  }

 private:
  std::optional<grpc::ServerContext> context_;
  mutable Mutex auth_mutex_;
};

template <typename Request, typename Response>
class AsyncUnaryCall : public AsyncCall {
 public:
  Request request;

  // Awaits the next call. `expect` is the service's Request… method, bound to a queue: void(context, request,
  // responder, tag).
  template <typename Expect>
  Operation::Wait Next(Expect&& expect) {
    responder_.reset();
    responder_.emplace(Renew());
    expect(&context(), &request, &*responder_, arrived.Start());
    return Operation::Wait(arrived);
  }

  // Ends the call. `response` is sent only if `status` is OK.
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

// OpenStream is a call with a stream, once the call has come. `Stream` is a stream class of gRPC's, or the interface of
// such a class.
template <typename Stream>
class OpenStream : public AsyncCall {
 public:
  Operation read;
  Operation written;

  template <typename Message>
  Operation::Wait Read(Message& message) {
    open_->Read(&message, read.Start());
    return Operation::Wait(read);
  }

  // Writes a message. If `more_follows`, gRPC may keep the message until the next one comes. The first message of a
  // stream is always sent at once: it is written together with the initial metadata, and gRPC completes that operation
  // only when they are sent. https://github.com/grpc/grpc/issues/12975
  template <typename Message>
  Operation::Wait Write(const Message& message, bool more_follows = false) {
    grpc::WriteOptions options;
    if (more_follows && wrote_) options.set_buffer_hint();
    wrote_ = true;
    open_->Write(message, options, written.Start());
    return Operation::Wait(written);
  }

  // Ends the call. No write may be under way; a read may be, and is complete afterwards.
  Operation::Wait Finish(const grpc::Status& status) {
    open_->Finish(status, finished.Start());
    return Operation::Wait(finished);
  }

 protected:
  // Begins with a new stream, which outlives the call.
  void Open(Stream& stream) {
    open_ = &stream;
    wrote_ = false;
  }

 private:
  Stream* open_ = nullptr;
  bool wrote_ = false;
};

// AsyncStreamCall makes a new stream for each call. `Stream` is grpc::ServerAsyncReaderWriter or ServerAsyncWriter.
// `Base` is an OpenStream of it, or of its interface.
template <typename Stream, typename Base = OpenStream<Stream>>
class AsyncStreamCall : public Base {
 public:
  // Awaits the next call. `expect` is the service's Request… method, bound to a queue: void(context, stream, tag).
  template <typename Expect>
  Operation::Wait Next(Expect&& expect) {
    stream_.reset();
    stream_.emplace(this->Renew());
    this->Open(*stream_);
    expect(&this->context(), &*stream_, this->arrived.Start());
    return Operation::Wait(this->arrived);
  }

 private:
  std::optional<Stream> stream_;
};

}  // namespace tensorferry::rpc
