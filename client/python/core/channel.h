#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "queues.h"
#include "response.h"

namespace tensorferry::core {

using Options = std::vector<std::pair<std::string, std::variant<int, std::string>>>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

struct ChannelSettings {
  Options options;
  Metadata metadata;  // Sent with every call.
  bool wait_for_ready = false;
};

// CallEnd says how a call ended, and what it brought.
struct CallEnd {
  grpc::Status status;
  SplitResponse response;  // Of a call that succeeded.
  Metadata trailers;
};

// Channel is a connection to a server, in the clear. It is made by the first call.
// Threads: any.
class Channel {
 public:
  Channel(const std::string& address, ChannelSettings settings);

  // Convert calls TensorService.Convert. The GIL is released from the first byte to the last, and taken every 100 ms to
  // see whether a signal came.
  // Errors: the Python exception of a signal's handler, as KeyboardInterrupt, which ends the call.
  CallEnd Convert(const grpc::ByteBuffer& request, std::optional<double> timeout_s);

  // Close cancels the calls under way, and those that begin later.
  void Close();

  // Abandon keeps the connection from ever being closed. It is for a process that was forked, where gRPC's threads, which
  // would take part in that, do not run.
  void Abandon();

 private:
  class Call;
  const ChannelSettings settings_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  Queues queues_;
  std::mutex mutex_;
  bool closed_ = false;
  std::unordered_set<grpc::ClientContext*> calls_;  // Those under way.
};

}  // namespace tensorferry::core
