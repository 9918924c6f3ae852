// Gateway's calls by messages: what gRPC tells of one, on the thread of its queue, meets what the peer's connection asks for.
//
// The status is asked for only when no message is left. Streams of gRPC's callbacks ask for it at their start, and then
// gRPC 1.51's in-process transport may lose a message that the server sends with its status (some 4 answers of 100, with
// the status OK), and now and then never ends a call.

#include <grpcpp/generic/generic_stub.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "web/caller_fields.h"
#include "web/gateway.h"

namespace tensorferry::web {

// StreamingCall is the call. It keeps itself until gRPC has ended it.
class Gateway::StreamingCall final : public std::enable_shared_from_this<StreamingCall> {
 public:
  // Step is one operation of gRPC's, and what is done when it has ended.
  struct Step {
    StreamingCall* call;
    void (StreamingCall::*ended)(bool ok);
  };

  StreamingCall(Gateway& gateway, const http::Request& from, Streaming streaming)
      : gateway_(gateway), streaming_(std::move(streaming)) {
    AddCallerFields(from, context_);
  }

  void Start() {
    self_ = shared_from_this();
    gateway_.Add(context_);
    call_ = gateway_.stub_.PrepareCall(&context_, streaming_.method, &gateway_.queue_);
    call_->StartCall(&start_);
  }

  void Pull(http::BodyStream::Next next) {
    {
      const std::lock_guard lock(mutex_);
      if (!ended_) {
        next_ = std::move(next);
        return GoOn();
      }
    }
    next(std::nullopt);
  }

  // Ends the call, as nobody pulls any more.
  void Cancel() {
    context_.TryCancel();
    http::BodyStream::Next dropped;  // Without the lock: whom it holds may go with it.
    const std::lock_guard lock(mutex_);
    dropped = std::exchange(next_, nullptr);
    cancelled_ = true;
    GoOn();
  }

 private:
  enum class State : std::uint8_t {
    kStarting,
    kIdle,       // Nobody has asked for more.
    kReading,    // For a message, or the end of the messages.
    kFinishing,  // For the status.
    kFinished,
  };

  // Asks for a message if somebody waits for it, and for the status if nobody ever will. mutex_ is held, as in Finish,
  // Write and Forget.
  void GoOn() {
    if (state_ != State::kIdle) return;
    if (cancelled_) return Finish();
    if (next_ == nullptr) return;
    state_ = State::kReading;
    call_->Read(&response_, &read_);
  }

  void Finish() {
    state_ = State::kFinishing;
    call_->Finish(&status_, &finish_);
  }

  // Sends the next message. The end goes with the last one: by itself it could come beside the server's own end, which
  // the in-process transport now and then takes for an error, "Extra trailing metadata".
  void Write() {
    writing_ = true;
    if (streaming_.messages.empty()) return call_->WritesDone(&write_);
    const grpc::ByteBuffer& message = streaming_.messages[written_++];
    if (written_ < streaming_.messages.size()) return call_->Write(message, &write_);
    call_->WriteLast(message, grpc::WriteOptions(), &write_);
  }

  void OnStarted(bool ok) {
    const std::lock_guard lock(mutex_);
    state_ = State::kIdle;
    if (!ok) return Finish();
    Write();
    GoOn();
  }

  void OnWritten(bool ok) {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && written_ < streaming_.messages.size()) return Write();
    if (state_ == State::kFinished) Forget();
  }

  void OnRead(bool ok) {
    std::unique_lock lock(mutex_);
    state_ = State::kIdle;
    if (!ok || next_ == nullptr) return Finish();
    const http::BodyStream::Next next = std::exchange(next_, nullptr);
    lock.unlock();
    if (auto piece = MessagePiece()) return next(*std::move(piece));
    context_.TryCancel();
    lock.lock();
    next_ = next;
    Finish();
  }

  void OnFinished(bool /*ok*/) {
    http::BodyStream::Next next;
    {
      const std::lock_guard lock(mutex_);
      state_ = State::kFinished;
      ended_ = true;
      next = std::exchange(next_, nullptr);
    }
    if (next != nullptr) next(EndPiece());
    const std::lock_guard lock(mutex_);
    if (!writing_) Forget();
  }

  // Lets the call go, as gRPC has nothing more to tell of it.
  void Forget() {
    gateway_.Remove(context_);
    self_ = nullptr;  // The queue's thread keeps it for the moment.
  }

  // Returns nothing if there is no memory for the piece.
  std::optional<http::BodyStream::Piece> MessagePiece() {
    return Made("a message", [this] { return streaming_.message_piece(response_); });
  }

  // Returns nothing if there is no memory for the piece: the answer ends without the call's status then, which its peer
  // takes for a failure.
  std::optional<http::BodyStream::Piece> EndPiece() {
    return Made("the end of a call", [this] { return streaming_.end_piece(status_, context_); });
  }

  template <typename Make>
  static std::optional<http::BodyStream::Piece> Made(const char* what, Make&& make) {
    try {
      return make();
    } catch (const std::exception& error) {
      spdlog::debug("http: {} could not be given to the peer: {}", what, error.what());
      return std::nullopt;
    }
  }

  Gateway& gateway_;
  Streaming streaming_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  std::shared_ptr<StreamingCall> self_;
  Step start_{this, &StreamingCall::OnStarted};
  Step write_{this, &StreamingCall::OnWritten};
  Step read_{this, &StreamingCall::OnRead};
  Step finish_{this, &StreamingCall::OnFinished};

  std::mutex mutex_;
  State state_ = State::kStarting;
  http::BodyStream::Next next_;  // Empty: nobody waits for a piece.
  std::size_t written_ = 0;      // Messages, the one included that is being sent.
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;  // Whether the end was given, or nobody wanted it.
};

void Gateway::EndSteps() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const auto& step = *static_cast<const StreamingCall::Step*>(tag);
    const std::shared_ptr<StreamingCall> kept = step.call->shared_from_this();
    (kept.get()->*step.ended)(ok);
  }
}

// CallBody is what the peer's connection has of the call.
class Gateway::CallBody final : public http::BodyStream {
 public:
  explicit CallBody(std::shared_ptr<StreamingCall> call) : call_(std::move(call)) {}
  CallBody(const CallBody&) = delete;
  CallBody& operator=(const CallBody&) = delete;
  ~CallBody() override { call_->Cancel(); }

  void Pull(Next next) override { call_->Pull(std::move(next)); }

 private:
  const std::shared_ptr<StreamingCall> call_;
};

std::shared_ptr<http::BodyStream> Gateway::Stream(const http::Request& from, Streaming streaming) {
  const auto call = std::make_shared<StreamingCall>(*this, from, std::move(streaming));
  auto body = std::make_shared<CallBody>(call);
  call->Start();
  return body;
}

}  // namespace tensorferry::web
