#include "bench/unary.h"

#include <string>
#include <utility>

#include "lib/server_error.h"

namespace tensorferry::cli {
namespace {

const std::string kUnaryMethod = "/tensorferry.v1.TensorService/Convert";

}  // namespace

void UnaryLane::Send(std::chrono::steady_clock::time_point intended) {
  if (free_.empty()) free_.push_back(&calls_.emplace_back(*this));
  Call& call = *free_.back();
  free_.pop_back();
  call.intended = intended;
  call.context.emplace();
  call.reader = route_.stub.PrepareUnaryCall(&*call.context, kUnaryMethod, route_.request.front(), &route_.queue);
  call.reader->StartCall();
  call.reader->Finish(&call.response, &call.status, &call);
}

void UnaryLane::Call::Happened(bool) {
  reader.reset();
  context.reset();
  grpc::ByteBuffer message = std::exchange(response, {});  // Answered() may start this call again.
  BenchAnswer answer{.intended = intended, .message = &message, .framing = Framing::kCall};
  if (status.ok()) {
    const absl::StatusOr<BenchMessage> read = ReadMessage(message, Framing::kCall);
    if (read.ok()) answer.summary = *read;
    answer.status = read.status();
  } else {
    answer.status = client::FromGrpc(status);
  }
  lane.free_.push_back(this);
  lane.route_.observer.Answered(lane, answer);
}

void UnaryLane::Cancel() {
  for (Call& call : calls_) {
    if (call.context) call.context->TryCancel();
  }
}

}  // namespace tensorferry::cli
