#include "rpc/transport.h"

#include <fmt/format.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/version_info.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace tensorferry::rpc {
namespace {

// Calls beyond this number wait in the caller's gRPC, without an error, health checks among them. All clients of one
// process share a connection, so the number is far above what one program usually has under way. It is not higher, since
// each event searches all calls that wait (call_slots.h). A call that waits for nothing but its caller takes 19 KiB; what
// it brings is admitted by the memory budget.
constexpr int kMaxStreamsPerConnection = 1'000;

// gRPC 1.51 ends the connection of a call whose headers are larger, and with it all calls of that connection.
constexpr int kMaxHeaderBytes = 64 << 10;

// The parts of itself that gRPC tries out, and that cost this server more than they bring; null: none is known. A version
// that does not know one of them would complain.
constexpr const char* UnwantedExperiments() {
  constexpr int kMinor = GRPC_CPP_VERSION_MAJOR == 1 ? GRPC_CPP_VERSION_MINOR : 0;
  // With it gRPC 1.51 takes as much memory to read ahead as one connection has brought in its largest burst, in pieces of
  // 64 KiB without a bound but the quota's, and keeps it until the connection brings more: 90 MiB were seen after messages
  // of 24 MiB. Without it a connection keeps some 4 MiB.
  if (kMinor == 51) return "-tcp_read_chunks";
  // With it threads of gRPC's own read the sockets, and wake those that wait for calls: a small call takes 12 system calls
  // for 3 (docs/adr/0036).
  if (kMinor >= 83) return "-event_engine_listener";
  return nullptr;
}

}  // namespace

void PrepareGrpc() {
  if (constexpr const char* kExperiments = UnwantedExperiments(); kExperiments != nullptr) {
    setenv("GRPC_EXPERIMENTS", kExperiments, /*overwrite=*/0);
  }
}

void SetConnectionLimits(const ConnectionLimits& limits, grpc::ServerBuilder& builder) {
  const auto set = [&](const char* name, std::chrono::milliseconds value) {
    if (value.count() > 0) builder.AddChannelArgument(name, static_cast<int>(value.count()));
  };
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, limits.max_idle);
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, limits.max_age);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, limits.age_grace);
}

void SetTransportOptions(std::uint64_t max_message_bytes, bool compression, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<std::uint64_t>(max_message_bytes, std::numeric_limits<int>::max())));
  builder.SetMaxSendMessageSize(-1);  // The protocols limit what the server sends.
  // Without this setting a second server could take the same port unnoticed.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody asks for channelz, and it would record every call.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  if (!compression) {  // 50 KB of gzip can hold 50 MB, so a caller could amplify its attack.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    // Without algorithms these filters do nothing, for every message of every call.
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  }
}

void LimitReceivedBytes(std::uint64_t receive_budget, std::uint64_t max_message_bytes, grpc::ServerBuilder& builder) {
  grpc::ResourceQuota quota("received");
  quota.Resize(std::max(receive_budget, 2 * max_message_bytes));
  builder.SetResourceQuota(quota);
}

std::string WithPort(const std::string& address, int port) {
  if (address.starts_with("unix:")) return address;
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

}  // namespace tensorferry::rpc
