#include "channel.h"

#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <utility>

namespace tensorferry::core {
namespace {

using Clock = std::chrono::system_clock;

constexpr std::chrono::milliseconds kSignalPeriod{100};
constexpr const char* kConvert = "/tensorferry.v1.TensorService/Convert";

std::shared_ptr<grpc::Channel> Open(const std::string& address, const ChannelSettings& settings) {
  grpc::ChannelArguments arguments;
  for (const auto& [name, value] : settings.options) {
    if (const int* number = std::get_if<int>(&value)) {
      arguments.SetInt(name, *number);
    } else {
      arguments.SetString(name, std::get<std::string>(value));
    }
  }
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

// Call is one call under way. The channel knows its context for as long.
class Channel::Call {
 public:
  Call(Channel& channel, std::optional<double> timeout_s) : channel_(channel) {
    for (const auto& [key, value] : channel.settings_.metadata) context_.AddMetadata(key, value);
    if (channel.settings_.wait_for_ready) context_.set_wait_for_ready(true);
    if (timeout_s) {
      const std::chrono::duration<double> timeout(*timeout_s);
      context_.set_deadline(Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout));
    }
    const std::scoped_lock lock(channel.mutex_);
    channel.calls_.insert(&context_);
    if (channel.closed_) context_.TryCancel();
  }

  ~Call() {
    const std::scoped_lock lock(channel_.mutex_);
    channel_.calls_.erase(&context_);
  }

  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Run returns whether the call came to its end; false: a signal's handler raised an exception.
  bool Run(const grpc::ByteBuffer& request, grpc::ByteBuffer& answer, grpc::Status& status) {
    Queues::Queue queue = channel_.queues_.Take();
    NoticeLoss(*queue);
    const auto call = channel_.stub_.PrepareUnaryCall(&context_, kConvert, request, queue.get());
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    const bool ended = Wait(*queue);
    channel_.queues_.GiveBack(std::move(queue));
    return ended;
  }

  Metadata Trailers() const {
    Metadata trailers;
    for (const auto& [key, value] : context_.GetServerTrailingMetadata()) {
      trailers.emplace_back(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    return trailers;
  }

 private:
  // NoticeLoss lets gRPC see what became of the connection since the last call: nobody watches one that waits, and a call
  // on a connection that the server has closed fails, while one that begins after that was seen connects anew.
  static void NoticeLoss(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    queue.AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC));
  }

  bool Wait(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    while (queue.AsyncNext(&tag, &ok, Clock::now() + kSignalPeriod) == queue.TIMEOUT) {
      const nanobind::gil_scoped_acquire gil;
      if (PyErr_CheckSignals() == 0) continue;
      context_.TryCancel();
      const nanobind::gil_scoped_release released;
      queue.Next(&tag, &ok);
      return false;
    }
    return true;
  }

  Channel& channel_;
  grpc::ClientContext context_;
};

Channel::Channel(const std::string& address, ChannelSettings settings)
    : settings_(std::move(settings)), channel_(Open(address, settings_)), stub_(channel_) {}

CallEnd Channel::Convert(const grpc::ByteBuffer& request, std::optional<double> timeout_s) {
  CallEnd end;
  bool ended = false;
  {
    const nanobind::gil_scoped_release released;
    Call call(*this, timeout_s);
    grpc::ByteBuffer answer;
    ended = call.Run(request, answer, end.status);
    if (ended && end.status.ok()) end.response = Split(answer);
    if (!end.status.ok()) end.trailers = call.Trailers();
  }
  if (!ended) throw nanobind::python_error();
  return end;
}

void Channel::Abandon() { new std::shared_ptr<grpc::Channel>(channel_); }

void Channel::Close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

}  // namespace tensorferry::core
