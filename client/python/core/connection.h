#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "queues.h"

namespace tensorferry::core {

inline constexpr const char* kConvertStream = "/tensorferry.v1.TensorService/ConvertStream";

using Options = std::vector<std::pair<std::string, std::variant<int, std::string>>>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

// Tls has texts in PEM form.
struct Tls {
  std::string ca;           // The certificates that may vouch for the server.
  std::string key;          // The private key of `certificate`.
  std::string certificate;  // The client's own chain; empty: it has none.
};

struct ChannelSettings {
  Options options;
  Metadata metadata;       // Sent with every call.
  std::optional<Tls> tls;  // None: the connection is in the clear.
  bool wait_for_ready = false;
};

// Connection is what a channel and its streams share. gRPC connects with the first call, and anew when it breaks.
// Threads: any.
class Connection {
 public:
  Connection(const std::string& address, ChannelSettings settings);

  grpc::GenericStub& stub() { return stub_; }
  Queues& queues() { return queues_; }

  // Close cancels the calls under way, and those that begin later.
  void Close();

  // Abandon is for a process that was forked, where gRPC's threads do not run: nothing of the connection may be touched
  // there, nor be destroyed.
  void Abandon() { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }

 private:
  friend class CallContext;
  const ChannelSettings settings_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  Queues queues_;
  std::atomic<bool> abandoned_ = false;
  std::mutex mutex_;
  bool closed_ = false;
  std::unordered_set<grpc::ClientContext*> calls_;  // Those under way.
};

// CallContext is the context of a call, which the connection cancels when it is closed.
class CallContext {
 public:
  // `timeout_s` counts from now; without one the call may take for ever.
  CallContext(Connection& connection, std::optional<double> timeout_s);
  ~CallContext();
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  grpc::ClientContext& operator*() { return context_; }
  void Cancel() { context_.TryCancel(); }
  // Trailers may be read when the call's status is there.
  Metadata Trailers() const;

 private:
  Connection& connection_;
  grpc::ClientContext context_;
};

}  // namespace tensorferry::core
