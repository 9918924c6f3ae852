#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "connection.h"
#include "pipelined_stream.h"
#include "response.h"
#include "stream.h"

namespace tensorferry::core {

// CallEnd says how a call ended, and what it brought.
struct CallEnd {
  grpc::Status status;
  SplitResponse response;  // Of a call that succeeded.
  Metadata trailers;
};

// Channel makes calls to a server.
// Threads: any.
class Channel {
 public:
  Channel(const std::string& address, ChannelSettings settings)
      : connection_(std::make_shared<Connection>(address, std::move(settings))) {}

  // Convert calls TensorService.Convert. The GIL is released from the first byte to the last, but for a look at signals
  // every 100 ms.
  // Errors: the Python exception of a signal's handler, as KeyboardInterrupt, which ends the call.
  CallEnd Convert(const grpc::ByteBuffer& request, std::optional<double> timeout_s);

  // OpenStream begins a call of TensorService.ConvertStream without a deadline, which may outlive the channel.
  std::unique_ptr<Stream> OpenStream() { return std::make_unique<Stream>(connection_); }

  // OpenPipelinedStream begins a call of the same method that goes on by itself.
  std::unique_ptr<PipelinedStream> OpenPipelinedStream(std::optional<double> timeout_s) {
    return std::make_unique<PipelinedStream>(connection_, timeout_s);
  }

  void Close() { connection_->Close(); }

  // Abandon keeps the connection from ever being closed. It is for a process that was forked, where gRPC's threads,
  // which would take part in that, do not run.
  void Abandon() {
    connection_->Abandon();
    new std::shared_ptr<Connection>(connection_);
  }

 private:
  const std::shared_ptr<Connection> connection_;
};

}  // namespace tensorferry::core
