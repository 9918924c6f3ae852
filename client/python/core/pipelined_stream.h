#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>

#include "chunks.h"
#include "connection.h"

namespace tensorferry::core {

// PipelinedStream is a call of TensorService.ConvertStream that goes on by itself: a thread of its own does gRPC's
// work, cuts chunks and takes digests while the caller makes the next request, and while it waits for an answer. The
// thread never takes the GIL.
//
// In a process that was forked, where the thread does not run, all of it does nothing, and no more messages come.
//
// Threads: one at a time, without the GIL; any for Cancel.
// Errors:  the Python exception of a signal's handler, which cancels the call.
class PipelinedStream {
 public:
  // `timeout_s` counts from now; without one the call may take for ever.
  PipelinedStream(std::shared_ptr<Connection> connection, std::optional<double> timeout_s);
  ~PipelinedStream();
  PipelinedStream(const PipelinedStream&) = delete;
  PipelinedStream& operator=(const PipelinedStream&) = delete;

  using Part = std::variant<grpc::ByteBuffer, std::shared_ptr<Chunks>>;

  // Send takes what is to be sent after all that it was given before, and waits for nothing.
  void Send(Part part);

  // EndSending says that no more comes.
  void EndSending();

  // Read waits for the next message. Returns none at the end of the call; then status() and Trailers() say why.
  std::optional<grpc::ByteBuffer> Read();

  // IsOver returns whether the call has ended, and all its messages were read.
  bool IsOver();

  void Cancel() {
    if (!connection_->abandoned()) context_->Cancel();
  }

  const grpc::Status& status() const { return status_; }
  Metadata Trailers() const { return context_->Trailers(); }

 private:
  enum Operation : unsigned char { kWrite, kRead, kEndSending, kFinish, kOperations };

  void Run();
  void Handle(void* tag, bool ok);
  void HandleRead(bool ok);
  void WriteNext();
  std::optional<grpc::ByteBuffer> TakeMessage(std::unique_lock<std::mutex>& lock);
  void CheckSignals();
  void* Begin(Operation operation);
  void StartRead() { call_->Read(&message_, Begin(kRead)); }
  bool IsUnderWay() const;

  const std::shared_ptr<Connection> connection_;
  std::unique_ptr<CallContext> context_;
  Queues::Queue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  std::unique_ptr<std::condition_variable> changed_;  // What mutex_ guards has.
  std::thread thread_;

  std::mutex mutex_;                       // It guards what follows.
  std::deque<Part> outgoing_;              // What is still to be sent. Whoever has set writing_ takes from it.
  std::deque<grpc::ByteBuffer> incoming_;  // What is still to be read.
  std::size_t incoming_nbytes_ = 0;
  grpc::ByteBuffer message_;          // It belongs to gRPC while kRead is under way.
  grpc::Status status_;               // It belongs to gRPC while kFinish is under way.
  bool under_way_[kOperations] = {};  // By Operation. Their tags are the addresses.
  bool writing_ = false;              // Somebody makes the next message, or gRPC has it.
  bool end_wanted_ = false;           // No more parts come.
  bool ended_ = false;                // No more messages come.
  bool over_ = false;                 // status_ is there.
  bool closing_ = false;              // No more operations are to begin.
};

}  // namespace tensorferry::core
