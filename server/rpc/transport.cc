#include "rpc/transport.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

namespace tensorferry::rpc {
namespace {

constexpr int kMaxStreamsPerConnection = 100;

void LogForGrpc(gpr_log_func_args* line) {
  const auto level = line->severity == GPR_LOG_SEVERITY_ERROR  ? spdlog::level::err
                     : line->severity == GPR_LOG_SEVERITY_INFO ? spdlog::level::info
                                                               : spdlog::level::debug;
  spdlog::log(level, "grpc: {}", line->message);
}

void LogForGrpcAtDebug(gpr_log_func_args* line) { spdlog::debug("grpc: {}", line->message); }

// protobuf logs texts that are not UTF-8 as errors, so that any caller could fill the log with them. They are logged at
// a lower level here.
void LogForProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  spdlog::debug("protobuf: {}", message);
}

}  // namespace

void SendLibraryLogsToOurs(GrpcLog level) {
  gpr_set_log_function(level == GrpcLog::kDebug ? LogForGrpcAtDebug : LogForGrpc);
  google::protobuf::SetLogHandler(LogForProtobuf);
}

void SetTransportOptions(std::uint64_t max_message_bytes, bool compression, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<std::uint64_t>(max_message_bytes, std::numeric_limits<int>::max())));
  builder.SetMaxSendMessageSize(-1);  // The protocols limit what the server sends.
  // Without this setting a second server could take the same port unnoticed.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody asks for channelz, and it would record every call.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  if (!compression) {  // 50 KB of gzip can hold 50 MB, so a caller could amplify its attack.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
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
