#include "rpc/tensor_service.h"

#include <functional>
#include <optional>
#include <utility>

#include "base/status.h"
#include "payload/dtype.h"
#include "rpc/answer_queue.h"
#include "rpc/async_call.h"
#include "rpc/convert_stream.h"
#include "rpc/error.h"
#include "rpc/guarded.h"
#include "rpc/incoming_message.h"
#include "rpc/model_call.h"
#include "rpc/reply.h"
#include "rpc/to_proto.h"
#include "rpc/unary_handler.h"

namespace tensorferry::rpc {
namespace {

// Bytes of a message from which on its copy goes to a worker: some hundred microseconds, many times what waking one
// costs.
constexpr std::size_t kLongCopy = 4 << 20;

using ConvertUnary = AsyncUnaryCall<IncomingMessage, grpc::ByteBuffer>;
using ConvertBidi = AsyncStreamCall<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>>;

absl::StatusOr<ConvertCall> Start(ConvertUnary& call, const CallEnvironment& environment) {
  TENSORFERRY_RETURN_IF_ERROR(call.request.Decode(MessageKind::kConvertRequest));
  return ConvertCall::Start(call.request.decoded().request(), ConvertCall::Chunks::kRefused, environment);
}

absl::StatusOr<Answer> Finish(const ConvertUnary& call, absl::StatusOr<ConvertCall> started) {
  TENSORFERRY_RETURN_IF_ERROR(started.status());
  TENSORFERRY_RETURN_IF_ERROR(call.CheckCaller());
  return (*std::move(started)).Finish();
}

absl::StatusOr<grpc::ByteBuffer> Encode(const absl::StatusOr<Answer>& answer, const CallEnvironment& environment,
                                        WireWriter& writer) {
  TENSORFERRY_RETURN_IF_ERROR(answer.status());
  return EncodeResponse(*answer, environment.max_message_bytes, writer);
}

// The memory that a call goes on to need; the rest is given back.
HeldMessage HoldFor(const ConvertCall& call, IncomingMessage& message) {
  if (call.needs_message()) return message.Hold();
  message.Clear();
  return {};
}

// What the message says, taken over. Its memory is needed afterwards only if a model runs.
absl::Status Take(IncomingMessage& message, ConvertStreamSession& session) {
  return Guarded([&]() -> absl::Status {
    TENSORFERRY_RETURN_IF_ERROR(message.Decode(MessageKind::kConvertStreamRequest));
    return session.OnMessage(message.decoded());
  });
}

StreamReply ReplyOf(ModelCall& run, const CallEnvironment& environment, WireWriter& writer) {
  auto reply = Guarded([&]() -> absl::StatusOr<StreamReply> {
    TENSORFERRY_ASSIGN_OR_RETURN(Answer answer, run.TakeAnswer());
    return StreamReply::Of(std::move(answer), environment.max_message_bytes, writer);
  });
  return reply.ok() ? *std::move(reply) : RefuseInStream(run.request_id(), reply.status());
}

grpc::Status EndOf(std::string_view method, const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  LogError(method, status);
  return ToGrpcStatus(status);
}

}  // namespace

void TensorService::Serve(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  slots_.Serve([this, &serving_queue](CallSlots& slots) { ServeConvert(serving_queue, slots); });
  slots_.Serve([this, &serving_queue](CallSlots& slots) { ServeConvertStream(serving_queue, slots); });
  slots_.Serve([this, queue](CallSlots& slots) {
    ServeUnary<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
        slots,
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
          service_.RequestGetServerInfo(context, request, responder, queue, queue, tag);
        },
        [this](const v1::GetServerInfoRequest&, v1::GetServerInfoResponse& response) {
          FillServerInfo(response);
          return grpc::Status::OK;
        });
  });
  slots_.Serve([this, queue](CallSlots& slots) {
    ServeUnary<v1::ListModelsRequest, v1::ListModelsResponse>(
        slots,
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
          service_.RequestListModels(context, request, responder, queue, queue, tag);
        },
        [this](const v1::ListModelsRequest&, v1::ListModelsResponse& response) {
          for (const auto& model : environment_.pipeline.Models()) *response.add_models() = ToProto(model);
          return grpc::Status::OK;
        });
  });
}

Detached TensorService::ServeConvert(ServingQueue& serving_queue, CallSlots& slots) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  CallSlots::Slot slot(slots);
  ConvertUnary call;
  WireWriter writer;
  std::optional<ModelCall> run;
  const auto expect = [&](auto* context, IncomingMessage* request, auto* responder, Tag* tag) {
    service_.RequestConvert(context, &request->bytes, responder, queue, queue, tag);
  };
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    if (call.request.bytes.Length() >= kLongCopy) co_await copiers_.Enter();
    absl::StatusOr<ConvertCall> started = Guarded([&] { return Start(call, environment_); });
    if (started.ok() && started->runs_model()) {
      HeldMessage held = HoldFor(*started, call.request);
      run.emplace(*std::move(started), std::move(held), call);
      run->Submit(serving_queue);
      co_await run->finished;
    } else {
      call.request.Clear();
    }
    const absl::StatusOr<Answer> answer =
        Guarded([&] { return run ? run->TakeAnswer() : Finish(call, std::move(started)); });
    const absl::StatusOr<grpc::ByteBuffer> reply = Guarded([&] { return Encode(answer, environment_, writer); });
    run.reset();
    const grpc::Status end = EndOf("Convert", reply.status());
    const grpc::ByteBuffer nothing;
    co_await call.Finish(end, reply.ok() ? *reply : nothing);
    co_await call.done;
  } while (slot.WaitAgain());
}

namespace {

// Sends the answers of a stream whose requests a model runs, in their order, as soon as the first is there. `ended`:
// once the queue is closed and all of them are dealt with.
Detached SendAnswers(ConvertBidi& call, AnswerQueue& answers, const CallEnvironment& environment, Tag* ended) {
  WireWriter writer;
  bool caller_reads = true;
  while (!answers.at_end()) {
    AnswerQueue::Answer* const first = answers.Front();
    if (first == nullptr) {
      co_await answers.pushed().Sleep();
      continue;
    }
    if (first->run) {
      co_await first->run->finished;
      first->reply = ReplyOf(*first->run, environment, writer);
    }
    auto message = first->reply->Next();
    while (message && caller_reads) {
      auto next = first->reply->Next();
      caller_reads = co_await call.Write(*message, /*more_follows=*/next || answers.NextIsReady());
      message = std::move(next);
    }
    answers.Pop();
  }
  ended->Complete(true);
}

bool IsEmpty(const std::optional<AnswerQueue>& answers) { return !answers || answers->empty(); }

}  // namespace

// Answers that follow each other at once leave together, with one system call: so each is held until the next message
// has come, or there is nothing else to do. Where a model takes its time, another coroutine sends the answers from then
// on, and this one takes in more requests meanwhile, so that they may run together.
Detached TensorService::ServeConvertStream(ServingQueue& serving_queue, CallSlots& slots) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  CallSlots::Slot slot(slots);
  ConvertBidi call;
  IncomingMessage message;
  const auto expect = [&](auto* context, auto* stream, Tag* tag) {
    service_.RequestConvertStream(context, stream, queue, queue, tag);
  };
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    ConvertStreamSession session(environment_);
    absl::Status status;
    bool reading = true;
    bool caller_reads = true;
    std::optional<grpc::ByteBuffer> held;
    std::optional<AnswerQueue> answers;  // Once a model's run was waited for.
    WireWriter writer;
    Operation answered;
    call.Read(message.bytes);
    while (caller_reads) {
      if (held && !co_await serving_queue.CompleteOrIdle(call.read)) {
        caller_reads = co_await call.Write(*held);
        held.reset();
        continue;
      }
      if (!co_await call.read) break;
      if (message.bytes.Length() >= kLongCopy) co_await copiers_.Enter();
      status = Take(message, session);
      reading = status.ok();
      if (!reading) break;
      std::unique_ptr<ModelCall> run;
      if (session.owes_answer() && session.runs_model()) {
        ConvertCall started = session.TakeCall();
        HeldMessage needed = HoldFor(started, message);
        run = std::make_unique<ModelCall>(std::move(started), std::move(needed), call);
        run->Submit(serving_queue);
      }
      message.Clear();
      if (run ? !run->finished.complete() || !IsEmpty(answers) : session.owes_answer() && !IsEmpty(answers)) {
        if (held) caller_reads = co_await call.Write(*held);
        held.reset();
        if (!answers) SendAnswers(call, answers.emplace(), environment_, answered.Start());
        answers->Push(run ? AnswerQueue::Answer{.run = std::move(run)} : AnswerQueue::Answer{session.TakeReply()});
        while (answers->full()) co_await answers->popped().Sleep();
        call.Read(message.bytes);
        continue;
      }
      call.Read(message.bytes);  // The next one comes while this one is answered.
      if (!run && !session.owes_answer()) continue;
      StreamReply reply = run ? ReplyOf(*run, environment_, writer) : session.TakeReply();
      for (auto next = reply.Next(); next && caller_reads; next = reply.Next()) {
        if (held) caller_reads = co_await call.Write(*held, /*more_follows=*/true);
        held = std::move(next);
      }
    }
    message.Clear();
    if (held && caller_reads) caller_reads = co_await call.Write(*held);
    if (answers) {
      answers->Close();
      co_await answered;
    }
    if (!caller_reads) status = MakeError(Reason::kCancelled, "the caller is gone");
    if (status.ok()) status = call.CheckCaller();
    if (status.ok()) status = session.OnEnd();
    const grpc::Status end = EndOf("ConvertStream", status);
    co_await call.Finish(end);
    if (reading) co_await call.read;
    co_await call.done;
    message.Clear();
  } while (slot.WaitAgain());
}

void TensorService::FillServerInfo(v1::GetServerInfoResponse& response) const {
  response.set_version(TENSORFERRY_VERSION);
  response.set_torch_version(environment_.pipeline.TorchVersion());
  response.set_max_message_bytes(environment_.max_message_bytes);
  response.set_max_tensor_bytes(environment_.limits.max_tensor_bytes);
  response.set_recommended_chunk_bytes(kChunkBytes);
  response.set_max_ndim(static_cast<std::int32_t>(kMaxNdim));
  for (const DTypeInfo& dtype : kDTypes) *response.add_dtypes() = ToProto(dtype);
  response.add_features("models");
}

}  // namespace tensorferry::rpc
