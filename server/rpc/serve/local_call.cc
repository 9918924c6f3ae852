#include "rpc/serve/local_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {

Operation::Wait LocalCall::Next(grpc::ByteBuffer& request) {
  message_ = &request;
  request_ = {};
  arrived.Start();
  method_.Await(*this);
  return Operation::Wait(arrived);
}

void LocalCall::Begin(LocalRequest request) {
  message_->Clear();
  message_->Swap(&request.message);
  request_ = std::move(request);
  done.Start();
  arrived.Complete(true);
}

void LocalCall::Finish(const grpc::Status& status, const grpc::ByteBuffer& response,
                       const std::shared_ptr<const void>& kept) {
  LocalAnswer answer{.status = status, .metadata = std::exchange(added_, {})};
  if (status.ok()) {
    answer.message = response;
    answer.kept = kept;
  }
  finished.Start();
  std::exchange(request_.answer, nullptr)(std::move(answer));
  finished.Complete(true);
  done.Complete(true);
}

std::string_view LocalCall::Metadata(std::string_view key) const {
  const LocalMetadata& all = request_.caller->metadata;
  const auto has_key = [key](const auto& pair) { return pair.first == key; };
  const auto found = std::ranges::find_if(all, has_key);
  if (found == all.end() || std::any_of(found + 1, all.end(), has_key)) return {};
  return found->second;
}

void LocalMethod::Call(LocalRequest request) {
  for (LocalCall* call = nullptr; TakeWaiting(call);) {
    if (call != nullptr) return call->Begin(std::move(request));
    slots_.StartOne();
  }
  request.answer({.status = ToGrpcStatus(MakeError(Reason::kDraining, "the server is shut down"))});
}

// Takes a coroutine that waits for a call; null: there is none. Returns false if no calls are taken any more.
bool LocalMethod::TakeWaiting(LocalCall*& call) {
  const MutexLock lock(mutex_);
  if (closed_) return false;
  call = waiting_;
  if (call != nullptr) waiting_ = call->next_waiting_;
  return true;
}

void LocalMethod::Await(LocalCall& call) {
  {
    const MutexLock lock(mutex_);
    if (!closed_) {
      call.next_waiting_ = std::exchange(waiting_, &call);
      return;
    }
  }
  call.arrived.Complete(false);
}

void LocalMethod::Close() {
  LocalCall* waiting = nullptr;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    waiting = std::exchange(waiting_, nullptr);
  }
  while (waiting != nullptr) {
    LocalCall& call = *std::exchange(waiting, waiting->next_waiting_);
    call.arrived.Complete(false);  // Destroys the call.
  }
}

void LocalMethods::Serve(const google::protobuf::MethodDescriptor& method, LocalMethod::Serve serve) {
  methods_.try_emplace(fmt::format("/{}/{}", method.service()->full_name(), method.name()), live_, std::move(serve));
}

void LocalMethods::Call(std::string_view path, LocalRequest request) {
  const auto found = methods_.find(path);
  if (found != methods_.end()) return found->second.Call(std::move(request));
  request.answer({.status = {grpc::StatusCode::UNIMPLEMENTED, std::string(path) + " is no method"}});
}

void LocalMethods::Close() {
  for (auto& [path, method] : methods_) method.Close();
}

}  // namespace tensorferry::rpc
