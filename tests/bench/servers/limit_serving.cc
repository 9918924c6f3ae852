#include "limit_serving.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "canned_replies.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::bench {
namespace {

using Service = v1::TensorService::WithRawMethod_Convert<v1::TensorService::WithRawMethod_ConvertStream<
    v1::TensorService::WithRawMethod_GetServerInfo<v1::TensorService::Service>>>;
using UnaryWriter = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;

constexpr int kCalls = 128;  // So many calls may wait for their turn.
constexpr int kStreams = 8;

struct Endpoint {
  Service& service;
  grpc::ServerCompletionQueue& queue;
};

class Event {
 public:
  virtual void Happened(bool ok) = 0;

 protected:
  ~Event() = default;
};

// UnaryCall serves one call after another of one method.
class UnaryCall final : public Event {
 public:
  using Expect = std::function<void(grpc::ServerContext*, grpc::ByteBuffer*, UnaryWriter*, void* tag)>;
  using Answer = std::function<const grpc::ByteBuffer&(grpc::ByteBuffer& request)>;

  UnaryCall(Expect expect, Answer answer) : expect_(std::move(expect)), answer_(std::move(answer)) { Next(); }

  void Happened(bool) override {
    if (std::exchange(answered_, true)) return Next();
    const grpc::ByteBuffer& reply = answer_(call_->request);
    call_->request.Clear();
    call_->writer.Finish(reply, grpc::Status::OK, this);
  }

 private:
  struct Call {
    grpc::ServerContext context;
    grpc::ByteBuffer request;
    UnaryWriter writer{&context};
  };

  void Next() {
    answered_ = false;
    call_.emplace();
    expect_(&call_->context, &call_->request, &call_->writer, this);
  }

  const Expect expect_;
  const Answer answer_;
  std::optional<Call> call_;
  bool answered_ = false;
};

// StreamCall serves one stream after another.
class StreamCall {
 public:
  explicit StreamCall(const Endpoint& endpoint) : endpoint_(endpoint) { Next(); }

 private:
  struct Step final : Event {
    Step(StreamCall& owner, void (StreamCall::*function)(bool)) : call(owner), run(function) {}
    void Happened(bool ok) override { (call.*run)(ok); }
    StreamCall& call;
    void (StreamCall::*run)(bool);
  };
  struct Call {
    grpc::ServerContext context;
    grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream{&context};
    bool reading = true;
    bool writing = false;
    std::optional<CannedStreamReply> reply;
    std::size_t missing_chunks = 0;
    std::size_t owed = 0;  // The number of answers.
  };

  void Next() {
    call_.emplace();
    endpoint_.service.RequestConvertStream(&call_->context, &call_->stream, &endpoint_.queue, &endpoint_.queue,
                                           &opened_);
  }

  void Opened(bool) { call_->stream.Read(&message_, &read_); }

  void Read(bool ok) {
    call_->reading = ok;
    if (ok) {
      Count();
      message_.Clear();
      call_->stream.Read(&message_, &read_);
    }
    Continue();
  }

  void Count() {
    if (call_->missing_chunks > 0) {
      --call_->missing_chunks;
    } else {
      if (!call_->reply) call_->reply.emplace(message_);
      call_->missing_chunks = call_->reply->chunks;
    }
    if (call_->missing_chunks == 0) ++call_->owed;
  }

  void Written(bool ok) {
    call_->writing = false;
    if (!ok) call_->owed = 0;
    Continue();
  }

  void Continue() {
    if (call_->writing) return;
    if (call_->owed > 0) {
      --call_->owed;
      call_->writing = true;
      call_->stream.Write(call_->reply->bytes, &written_);
    } else if (!call_->reading) {
      call_->writing = true;
      call_->stream.Finish(grpc::Status::OK, &finished_);
    }
  }

  void Finished(bool) { Next(); }

  const Endpoint endpoint_;
  std::optional<Call> call_;
  grpc::ByteBuffer message_;
  Step opened_{*this, &StreamCall::Opened}, read_{*this, &StreamCall::Read}, written_{*this, &StreamCall::Written},
      finished_{*this, &StreamCall::Finished};
};

grpc::ByteBuffer ServerInfo() {
  v1::GetServerInfoResponse info;
  FillServerInfo(info);
  const grpc::Slice slice(info.SerializeAsString());
  return {&slice, 1};
}

void Serve(const Endpoint& endpoint, const std::function<void()>& work) {
  CannedReplies replies;
  const grpc::ByteBuffer info = ServerInfo();
  Service& service = endpoint.service;
  grpc::ServerCompletionQueue* const queue = &endpoint.queue;

  std::deque<UnaryCall> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.emplace_back(
        [&service, queue](auto* context, auto* request, auto* writer, void* tag) {
          service.RequestConvert(context, request, writer, queue, queue, tag);
        },
        [&](grpc::ByteBuffer& request) -> const grpc::ByteBuffer& {
          work();
          return replies.For(request);
        });
  }
  calls.emplace_back(
      [&service, queue](auto* context, auto* request, auto* writer, void* tag) {
        service.RequestGetServerInfo(context, request, writer, queue, queue, tag);
      },
      [&](grpc::ByteBuffer&) -> const grpc::ByteBuffer& { return info; });
  std::deque<StreamCall> streams;
  for (int i = 0; i < kStreams; ++i) streams.emplace_back(endpoint);

  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<Event*>(tag)->Happened(ok);
}

}  // namespace

void ServeLimit(const ServerArguments& arguments, const std::function<void()>& work) {
  Service service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = Listen(arguments, builder);
  Serve({service, *queue}, work);
}

}  // namespace tensorferry::bench
