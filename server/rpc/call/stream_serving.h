// How a stream of requests is served, whatever their form.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/status.h"
#include "rpc/call/response_queue.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/error.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/worker_pool.h"

namespace tensorferry::rpc {

using StreamCall = AsyncStreamCall<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>>;

// Sends the answers of a stream whose requests a model runs, in their order, as soon as the first is there. `ended`:
// once the queue is closed and all of them are dealt with. `end_of`: what the stream ends with after an error.
inline Detached SendResponses(StreamCall& call, ResponseQueue& answers, grpc::Status (*end_of)(const absl::Status&),
                              Tag* ended) {
  WireWriter writer;
  bool caller_reads = true;
  while (!answers.at_end()) {
    ResponseQueue::Entry* const first = answers.Front();
    if (first == nullptr) {
      co_await answers.pushed().Sleep();
      continue;
    }
    if (first->run) {
      co_await first->run->finished;
      first->reply = first->run->TakeReply(writer);
    }
    auto message = first->reply->Next();
    while (message && caller_reads) {
      auto next = first->reply->Next();
      caller_reads = co_await call.Write(*message, /*more_follows=*/next || answers.NextIsReady());
      message = std::move(next);
    }
    if (caller_reads && !first->reply->end().ok()) {
      caller_reads = false;
      answers.NoteEnd();
      const grpc::Status end = end_of(first->reply->end());
      co_await call.Finish(end);
    }
    answers.Pop();
  }
  ended->Complete(true);
}

inline bool IsEmpty(const std::optional<ResponseQueue>& answers) { return !answers || answers->empty(); }

// Answers that follow each other at once leave together, with one system call: so each is held until the next message
// has come, or there is nothing else to do. Where a model takes its time, another coroutine sends the answers from then
// on, and this one takes in more requests meanwhile, so that they may run together.
//
// `Session`: made for each stream, with its call; what the stream says and is answered with, as ConvertStreamSession.
// `expect`: the service's Request… method, bound to a queue; see AsyncStreamCall::Next.
template <typename Session, typename Environment, typename Expect>
Detached ServeStream(ServingQueue& queue, WorkerPool& copiers, CallSlots& slots, const Environment& environment,
                     Expect expect) {
  CallSlots::Slot slot(slots);
  StreamCall call;
  typename Session::Message message;
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    Session session(environment, call);
    absl::Status status;
    bool reading = true;
    bool caller_reads = true;
    std::optional<grpc::ByteBuffer> held;
    std::optional<ResponseQueue> answers;  // Once a model's run was waited for.
    WireWriter writer;
    Operation answered;
    call.Read(message.bytes);
    while (caller_reads) {
      if (held && !co_await queue.CompleteOrIdle(call.read)) {
        caller_reads = co_await call.Write(*held);
        held.reset();
        continue;
      }
      if (!co_await call.read) break;
      if (message.bytes.Length() >= kLongCopy) co_await copiers.Enter();
      status = session.Take(message);
      reading = status.ok();
      if (!reading) break;
      std::unique_ptr<StreamRun> run;
      if (session.owes_response() && session.runs_model()) {
        run = session.TakeRun(message);
        run->Submit(queue);
      }
      message.Clear();
      if (run ? !run->finished.complete() || !IsEmpty(answers) : session.owes_response() && !IsEmpty(answers)) {
        if (held) caller_reads = co_await call.Write(*held);
        held.reset();
        if (!answers) SendResponses(call, answers.emplace(), Session::EndOf, answered.Start());
        answers->Push(run ? ResponseQueue::Entry{.run = std::move(run)} : ResponseQueue::Entry{session.TakeReply()});
        while (answers->full()) co_await answers->popped().Sleep();
        call.Read(message.bytes);
        continue;
      }
      if (answers && answers->stream_ended()) {
        reading = false;
        break;
      }
      call.Read(message.bytes);  // The next one comes while this one is answered.
      if (!run && !session.owes_response()) continue;
      EncodedResponse reply = run ? run->TakeReply(writer) : session.TakeReply();
      for (auto next = reply.Next(); next && caller_reads; next = reply.Next()) {
        if (held) caller_reads = co_await call.Write(*held, /*more_follows=*/true);
        held = std::move(next);
      }
      status = reply.end();
      if (!status.ok()) break;
    }
    message.Clear();
    if (held && caller_reads) caller_reads = co_await call.Write(*held);
    if (answers) {
      answers->Close();
      co_await answered;
    }
    if (!answers || !answers->stream_ended()) {
      if (!caller_reads) status = MakeError(Reason::kCancelled, "the caller is gone");
      if (status.ok()) status = call.CheckCaller();
      if (status.ok()) status = session.OnEnd();
      const grpc::Status end = Session::EndOf(status);
      co_await call.Finish(end);
    }
    if (reading) co_await call.read;
    co_await call.done;
    message.Clear();
  } while (slot.WaitAgain());
}

}  // namespace tensorferry::rpc
