#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <optional>

#include "connection.h"

namespace tensorferry::core {

// Stream is a call of TensorService.ConvertStream. Whoever sends and reads does gRPC's work as well: no thread stands
// behind a stream, and nothing of it moves while nobody calls.
//
// Threads: one at a time, without the GIL; any for Cancel.
// Errors:  the Python exception of a signal's handler, which cancels the call.
class Stream {
 public:
  explicit Stream(std::shared_ptr<Connection> connection);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Send waits until gRPC has taken the message before, and gives it this one. It returns false and sends nothing as
  // soon as there is something to read: a message, or the end of the call.
  bool Send(const grpc::ByteBuffer& message);

  // EndSending says that no more messages come, as soon as gRPC has taken the last one.
  void EndSending();

  // Read waits for the next message. Returns none at the end of the call; then status() and Trailers() say why.
  std::optional<grpc::ByteBuffer> Read();

  // IsOver returns whether the call has ended, as far as can be told without waiting.
  bool IsOver();

  void Cancel() { context_->Cancel(); }

  const grpc::Status& status() const { return status_; }
  Metadata Trailers() const { return context_->Trailers(); }

 private:
  enum Operation : unsigned char { kWrite, kRead, kEndSending, kFinish, kOperations };

  void* Begin(Operation operation);
  void Handle(void* tag, bool ok);
  void Wait();
  void StartRead() { call_->Read(&message_, Begin(kRead)); }

  const std::shared_ptr<Connection> connection_;
  std::unique_ptr<CallContext> context_;
  Queues::Queue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer message_;
  grpc::Status status_;
  bool under_way_[kOperations] = {};  // By Operation. Their tags are the addresses.
  bool end_wanted_ = false;           // The last message is under way.
  bool ended_ = false;                // No more messages come.
};

}  // namespace tensorferry::core
