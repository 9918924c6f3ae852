#include "connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <chrono>

namespace tensorferry::core {
namespace {

constexpr double kMaxTimeoutS = 1e9;  // Some thirty years, which every clock can add to its time.

std::shared_ptr<grpc::Channel> Open(const std::string& address, const ChannelSettings& settings) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody reads the records that gRPC would make of every call.
  for (const auto& [name, value] : settings.options) {
    if (const int* number = std::get_if<int>(&value)) {
      arguments.SetInt(name, *number);
    } else {
      arguments.SetString(name, std::get<std::string>(value));
    }
  }
  const auto& tls = settings.tls;
  const auto credentials =
      tls ? grpc::SslCredentials(
                {.pem_root_certs = tls->ca, .pem_private_key = tls->key, .pem_cert_chain = tls->certificate})
          : grpc::InsecureChannelCredentials();
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace

Connection::Connection(const std::string& address, ChannelSettings settings)
    : settings_(std::move(settings)), channel_(Open(address, settings_)), stub_(channel_) {}

void Connection::Close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

CallContext::CallContext(Connection& connection, std::optional<double> timeout_s) : connection_(connection) {
  for (const auto& [key, value] : connection.settings_.metadata) context_.AddMetadata(key, value);
  if (connection.settings_.wait_for_ready) context_.set_wait_for_ready(true);
  if (timeout_s) {
    using Clock = std::chrono::system_clock;
    const std::chrono::duration<double> timeout(std::min(*timeout_s, kMaxTimeoutS));
    context_.set_deadline(Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout));
  }
  const std::scoped_lock lock(connection.mutex_);
  connection.calls_.insert(&context_);
  if (connection.closed_) context_.TryCancel();
}

CallContext::~CallContext() {
  const std::scoped_lock lock(connection_.mutex_);
  connection_.calls_.erase(&context_);
}

Metadata CallContext::Trailers() const {
  Metadata trailers;
  for (const auto& [key, value] : context_.GetServerTrailingMetadata()) {
    trailers.emplace_back(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  return trailers;
}

}  // namespace tensorferry::core
