#include "web/gateway.h"

#include <grpcpp/alarm.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <utility>

#include "base/start_thread.h"
#include "base/status.h"
#include "rpc/serve/error.h"
#include "web/caller_fields.h"

namespace tensorferry::web {

struct Gateway::UnaryCall {
  std::shared_ptr<rpc::LocalCaller> caller;
  Answered answered;
  std::atomic<bool> ended = false;
  grpc::Alarm at_deadline;
};

Gateway::Gateway(rpc::LocalMethods& methods, std::shared_ptr<grpc::Channel> channel)
    : methods_(methods),
      stub_(std::move(channel)),
      thread_(StartThread("streams of the HTTP port", [this] { EndSteps(); })) {}

void Gateway::Call(std::string_view method, const http::Request& from, grpc::ByteBuffer message, Answered answered,
                   std::uint64_t held_besides) {
  const auto call = std::make_shared<UnaryCall>();
  call->caller = CallerOf(from, held_besides);
  call->answered = std::move(answered);
  {
    const std::lock_guard lock(mutex_);
    unary_calls_.insert(call);
  }
  const std::weak_ptr<UnaryCall> maybe = call;  // Who may learn of the call's end later must not keep it.
  if (from.cancellation != nullptr) {
    from.cancellation->OnGone([this, maybe] { Abandon(maybe, {grpc::StatusCode::CANCELLED, "the peer has gone"}); });
  }
  if (call->caller->deadline != std::chrono::system_clock::time_point::max()) {
    call->at_deadline.Set(call->caller->deadline, [this, maybe](bool passed) {
      if (!passed) return;
      Abandon(maybe, rpc::ToGrpcStatus(MakeError(Reason::kDeadline, "the call's deadline has passed")));
    });
  }
  try {
    methods_.Call(method, {.caller = call->caller,
                           .message = std::move(message),
                           .answer = [this, call](rpc::LocalAnswer answer) { End(call, std::move(answer)); }});
  } catch (const std::exception& error) {
    spdlog::debug("http: a call could not be made: {}", error.what());
    End(call, {.status = rpc::ToGrpcStatus(MakeError(Reason::kInternal, "the call could not be made"))});
  }
}

// Only the first end counts. Later ones may come when the gateway is gone.
void Gateway::End(const std::shared_ptr<UnaryCall>& call, rpc::LocalAnswer answer) {
  if (call->ended.exchange(true)) return;
  std::exchange(call->answered, nullptr)(std::move(answer));
  const std::lock_guard lock(mutex_);
  unary_calls_.erase(call);
  TellIfNone();
}

// Answers a call whose own end nobody waits for.
void Gateway::Abandon(const std::weak_ptr<UnaryCall>& call, const grpc::Status& status) {
  const std::shared_ptr<UnaryCall> under_way = call.lock();
  if (under_way == nullptr) return;
  under_way->caller->is_gone = true;
  End(under_way, {.status = status});
}

void Gateway::Add(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  streaming_calls_.insert(&context);
}

void Gateway::Remove(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  streaming_calls_.erase(&context);
  TellIfNone();
}

// mutex_ is held: who waits may destroy this object at once.
void Gateway::TellIfNone() {
  if (unary_calls_.empty() && streaming_calls_.empty()) none_.notify_all();
}

Gateway::~Gateway() {
  std::unique_lock lock(mutex_);
  const std::vector<std::shared_ptr<UnaryCall>> under_way(unary_calls_.begin(), unary_calls_.end());
  for (grpc::ClientContext* const call : streaming_calls_) call->TryCancel();
  lock.unlock();
  for (const std::shared_ptr<UnaryCall>& call : under_way) {
    Abandon(call, {grpc::StatusCode::CANCELLED, "the server stops"});
  }
  lock.lock();
  none_.wait(lock, [this] { return unary_calls_.empty() && streaming_calls_.empty(); });
  lock.unlock();
  queue_.Shutdown();
  thread_.join();
}

Gateway::Answered ReplyWith(http::Reply reply, std::function<http::Response(const rpc::LocalAnswer&)> make) {
  return [reply = std::move(reply), make = std::move(make)](const rpc::LocalAnswer& answer) {
    try {
      http::Response response = make(answer);
      if (answer.kept != nullptr) {
        response.owner = std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
            std::move(response.owner), answer.kept);
      }
      AddTraceResponse(answer.metadata, response);
      reply(std::move(response));
    } catch (const std::exception& error) {
      spdlog::debug("http: an answer could not be made: {}", error.what());
      reply({.status = 500, .body = "internal error\n"});
    }
  };
}

}  // namespace tensorferry::web
