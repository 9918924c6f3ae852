// Calls from within this process, without gRPC between: docs/adr/0040.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread_annotations.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/unary_call.h"

namespace tensorferry::rpc {

// Metadata are keys, in lower case, and values.
using LocalMetadata = std::vector<std::pair<std::string, std::string>>;

// LocalCaller is he for whom a part of this process calls.
struct LocalCaller {
  LocalMetadata metadata;
  std::string peer;         // As AsyncCall::Peer.
  std::string certificate;  // As AsyncCall::CertificateName.
  std::chrono::system_clock::time_point deadline = std::chrono::system_clock::time_point::max();
  std::uint64_t held_bytes = 0;       // How many bytes of the memory budget his request has already.
  std::atomic<bool> is_gone = false;  // Whether nobody waits for the answer any more.
};

// LocalAnswer is the end of a call.
struct LocalAnswer {
  grpc::Status status;
  grpc::ByteBuffer message{};          // Empty unless `status` is OK.
  std::shared_ptr<const void> kept{};  // What the memory budget holds for `message`, as long as that is kept.
  LocalMetadata metadata{};
};

// LocalRequest is a call. `answer` gets its end: once, on any thread, perhaps before the call has returned. It must not
// throw.
struct LocalRequest {
  std::shared_ptr<LocalCaller> caller;
  grpc::ByteBuffer message;
  std::function<void(LocalAnswer)> answer;
};

class LocalMethod;

// LocalCall stands for the calls of one coroutine that come from within this process.
class LocalCall final : public UnaryCall {
 public:
  explicit LocalCall(LocalMethod& method) : method_(method) {}

  Operation::Wait Next(grpc::ByteBuffer& request) override;
  using UnaryCall::Finish;
  void Finish(const grpc::Status& status, const grpc::ByteBuffer& response,
              const std::shared_ptr<const void>& kept) override;

  std::string_view Metadata(std::string_view key) const override;
  std::string Peer() const override { return request_.caller->peer; }
  std::string CertificateName() const override { return request_.caller->certificate; }
  std::chrono::system_clock::time_point Deadline() const override { return request_.caller->deadline; }
  bool IsCancelled() const override { return request_.caller->is_gone; }
  void AddToAnswer(const std::string& key, const std::string& value) override { added_.emplace_back(key, value); }
  void Cancel() override { request_.caller->is_gone = true; }
  std::uint64_t held_bytes() const override { return request_.caller->held_bytes; }

 private:
  friend class LocalMethod;
  void Begin(LocalRequest request);  // Resumes the coroutine.

  LocalMethod& method_;
  grpc::ByteBuffer* message_ = nullptr;  // Where the next call's message goes.
  LocalCall* next_waiting_ = nullptr;    // While this one waits for a call.
  LocalRequest request_;
  LocalMetadata added_;
};

// LocalMethod has the coroutines that serve the local calls of one method.
// Threads: any.
class LocalMethod {
 public:
  // Serve starts one more coroutine, which makes a Slot before anything else, and serves the calls that it is given.
  using Serve = std::function<void(CallSlots&, std::unique_ptr<UnaryCall>)>;

  LocalMethod(LiveCoroutines& live, Serve serve)
      : slots_(live, [this, serve = std::move(serve)](CallSlots& slots) {
          serve(slots, std::make_unique<LocalCall>(*this));
        }) {}

  // Serves a call, on this thread until it waits for something.
  void Call(LocalRequest request);

  // Ends the coroutines that wait for calls. Later calls end with UNAVAILABLE.
  void Close();

 private:
  friend class LocalCall;
  void Await(LocalCall& call);
  bool TakeWaiting(LocalCall*& call);

  Mutex mutex_;
  bool closed_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  LocalCall* waiting_ TENSORFERRY_GUARDED_BY(mutex_) = nullptr;  // The one that came last.
  CallSlots slots_;
};

// LocalMethods are all methods that can be called so.
class LocalMethods {
 public:
  explicit LocalMethods(LiveCoroutines& live) : live_(live) {}

  // Serves a method, unless it is served already. No call has come yet.
  void Serve(const google::protobuf::MethodDescriptor& method, LocalMethod::Serve serve);

  // Calls `/package.Service/Method`. Ends with UNIMPLEMENTED if there is no such method. Threads: any.
  void Call(std::string_view path, LocalRequest request);

  // Closes each LocalMethod. Threads: any.
  void Close();

 private:
  LiveCoroutines& live_;
  std::map<std::string, LocalMethod, std::less<>> methods_;
};

}  // namespace tensorferry::rpc
