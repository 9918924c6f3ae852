// The calls that gRPC brings: GrpcCall and its classes, each with gRPC's context of the call and its operations.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/thread_annotations.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/operation.h"
#include "rpc/serve/unary_call.h"

namespace tensorferry::rpc {

// kPeerKey, kCertificateKey and kHeldKey are the metadata by which a part of this process that calls on the in-process
// channel says for whom: his address, how his certificate names him, and how many bytes of the memory budget his request
// has already. From outside they mean nothing.
inline constexpr char kPeerKey[] = "tensorferry-peer";
inline constexpr char kCertificateKey[] = "tensorferry-certificate-bin";
inline constexpr char kHeldKey[] = "tensorferry-held-bytes";

// Return what AsyncCall tells of a call. All of it is looked up when it is asked for: to make the map of a call's metadata
// costs gRPC an allocation for each entry. `shown` is what gRPC knows of who calls.
std::string_view MetadataOf(const grpc::ServerContext& context, std::string_view key);
std::string PeerOf(const grpc::ServerContext& context);
std::string CertificateNameOf(const grpc::ServerContext& context, const grpc::AuthContext* shown);
std::uint64_t HeldBytesOf(const grpc::ServerContext& context);

// A deadline that the clock cannot tell is the latest that it can: callers who mean "never" set deadlines thousands of years
// ahead, and gRPC's deadline() overflows beyond the year 2262.
std::chrono::system_clock::time_point DeadlineOf(const grpc::ServerContext& context);

// GrpcCall is the `Base`, UnaryCall or AsyncCall, of a call that gRPC brings. In unit tests without gRPC there is no context,
// and so no caller.
template <typename Base>
class GrpcCall : public Base {
 public:
  std::string_view Metadata(std::string_view key) const override {
    return context_ ? MetadataOf(*context_, key) : std::string_view();
  }
  std::string Peer() const override { return context_ ? PeerOf(*context_) : std::string(); }
  std::string CertificateName() const override {
    return context_ ? CertificateNameOf(*context_, AuthContext().get()) : std::string();
  }
  std::chrono::system_clock::time_point Deadline() const override {
    return context_ ? DeadlineOf(*context_) : std::chrono::system_clock::time_point::max();
  }
  bool IsCancelled() const override { return context_ && context_->IsCancelled(); }
  void AddToAnswer(const std::string& key, const std::string& value) override {
    if (context_) context_->AddTrailingMetadata(key, value);
  }
  void Cancel() override { context_->TryCancel(); }
  std::uint64_t held_bytes() const override { return context_ ? HeldBytesOf(*context_) : 0; }

 protected:
  // Makes a new context for the next call. The call before has ended, and its `done` is complete.
  grpc::ServerContext* Renew() {
    context_.emplace();
    context_->AsyncNotifyWhenDone(this->done.Start());
    return &*context_;
  }

  grpc::ServerContext* context() { return &*context_; }

 private:
  // gRPC makes it when it is first asked for, and two coroutines of a stream may do so at once.
  std::shared_ptr<const grpc::AuthContext> AuthContext() const {
    const MutexLock lock(auth_mutex_);
    return context_->auth_context();
  }

  std::optional<grpc::ServerContext> context_;
  mutable Mutex auth_mutex_;
};

// GrpcUnaryCall stands for the calls of a unary method of a gRPC service.
class GrpcUnaryCall final : public GrpcCall<UnaryCall> {
 public:
  using Responder = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;
  // Expect is the service's Request… method, bound to a queue.
  using Expect = std::function<void(grpc::ServerContext*, grpc::ByteBuffer*, Responder*, Tag*)>;

  explicit GrpcUnaryCall(Expect expect) : expect_(std::move(expect)) {}

  Operation::Wait Next(grpc::ByteBuffer& request) override;
  using UnaryCall::Finish;
  void Finish(const grpc::Status& status, const grpc::ByteBuffer& response,
              const std::shared_ptr<const void>& kept) override;

 private:
  const Expect expect_;
  std::optional<Responder> responder_;
};

// OpenStream is a call with a stream, once the call has come. `Stream` is a stream class of gRPC's, or the interface of
// such a class.
template <typename Stream>
class OpenStream : public GrpcCall<AsyncCall> {
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
    expect(this->context(), &*stream_, this->arrived.Start());
    return Operation::Wait(this->arrived);
  }

 private:
  std::optional<Stream> stream_;
};

}  // namespace tensorferry::rpc
