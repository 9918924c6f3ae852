#pragma once

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::client {

// FakeServer is a TensorService that records what comes, and answers as its test says.
class FakeServer : public v1::TensorService::Service {
 public:
  using StreamCall = grpc::ServerReaderWriter<v1::ConvertStreamResponse, v1::ConvertStreamRequest>;
  static constexpr std::size_t kChunk = 100'000;  // Bytes; no divisor of the arrays' sizes.

  FakeServer() : FakeServer("127.0.0.1:0") {}

  // `address` is of this machine, with port 0, or a `unix:PATH`.
  explicit FakeServer(const std::string& address, int max_message_bytes = 8 << 20)
      : max_message_bytes_(max_message_bytes) {
    grpc_init();  // Never undone: after large messages the end of gRPC 1.51 may wait ten seconds for a poller of its own.
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.SetMaxReceiveMessageSize(max_message_bytes);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = address.starts_with("unix:") ? address : fmt::format("127.0.0.1:{}", port);
  }
  ~FakeServer() override { server_->Shutdown(std::chrono::system_clock::now()); }

  const std::string& address() const { return address_; }

  std::function<grpc::Status(const v1::ConvertRequest&, v1::ConvertResponse*)> on_convert;
  std::function<grpc::Status(StreamCall&)> on_stream;
  std::string pushback;  // Sent with the end of each Convert, as `grpc-retry-pushback-ms`; empty: none is.
  std::atomic<int> info_calls = 0;
  std::function<void()> on_info = [] {};  // Called before GetServerInfo is answered.

  // Returns the time that each call of Convert and ConvertStream had left when it came.
  std::vector<std::chrono::milliseconds> times_left() const {
    const std::scoped_lock lock(mutex_);
    return times_left_;
  }

 private:
  void NoteTimeLeft(const grpc::ServerContext& context) {
    const auto left = context.deadline() - std::chrono::system_clock::now();
    const std::scoped_lock lock(mutex_);
    times_left_.push_back(std::chrono::floor<std::chrono::milliseconds>(left));
  }

  grpc::Status Convert(grpc::ServerContext* context, const v1::ConvertRequest* request,
                       v1::ConvertResponse* response) override {
    NoteTimeLeft(*context);
    if (!pushback.empty()) context->AddTrailingMetadata("grpc-retry-pushback-ms", pushback);
    return on_convert(*request, response);
  }
  grpc::Status ConvertStream(grpc::ServerContext* context, StreamCall* call) override {
    NoteTimeLeft(*context);
    return on_stream(*call);
  }
  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse* info) override {
    ++info_calls;
    on_info();
    info->set_recommended_chunk_bytes(kChunk);
    info->set_max_message_bytes(static_cast<std::uint64_t>(max_message_bytes_));
    return grpc::Status::OK;
  }

  const int max_message_bytes_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  mutable std::mutex mutex_;  // Guards times_left_.
  std::vector<std::chrono::milliseconds> times_left_;
};

// Busy returns the refusal of a server that may take the same request after `delay`.
inline grpc::Status Busy(std::chrono::milliseconds delay) {
  google::rpc::ErrorInfo info;
  info.set_domain("tensorferry");
  info.set_reason("MEMORY_BUDGET");
  (*info.mutable_metadata())["array"] = "x";
  (*info.mutable_metadata())["limit"] = "10";
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = google::protobuf::util::TimeUtil::MillisecondsToDuration(delay.count());
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  details.add_details()->PackFrom(retry);
  return {grpc::RESOURCE_EXHAUSTED, "array 'x': too many bytes now", details.SerializeAsString()};
}

// AnswerTo answers `request` with a tensor for each array, without elements.
inline v1::ConvertResponse AnswerTo(const v1::ConvertRequest& request) {
  v1::ConvertResponse response;
  response.set_request_id(request.request_id());
  for (const v1::Array& array : request.arrays()) {
    v1::TensorMetadata& metadata = *response.add_tensors()->mutable_metadata();
    metadata.set_name(array.name());
    *metadata.mutable_shape() = array.shape();
  }
  return response;
}

inline bool Write(FakeServer::StreamCall& call, v1::ConvertResponse response) {
  v1::ConvertStreamResponse part;
  *part.mutable_response() = std::move(response);
  return call.Write(part);
}

inline bool WriteChunk(FakeServer::StreamCall& call, const std::string& chunk) {
  v1::ConvertStreamResponse part;
  part.set_chunk(chunk);
  return call.Write(part);
}

}  // namespace tensorferry::client
