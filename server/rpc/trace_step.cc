#include "rpc/trace_step.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rpc/serve/call_metadata.h"
#include "rpc/serve/end_text.h"

namespace tensorferry::rpc {
namespace {

// Returns the caller's `tracestate`. W3C lets whoever hands it on drop one that is longer than 512 characters.
std::string TraceStateOf(const AsyncCall& call) {
  constexpr std::size_t kMostBytes = 512;
  const std::string_view state = call.Metadata("tracestate");
  return std::string(state.size() <= kMostBytes ? state : std::string_view());
}

bool IsUnary(const google::protobuf::MethodDescriptor& method) {
  return !method.client_streaming() && !method.server_streaming();
}

}  // namespace

absl::Status TraceStep::Enter(CallInfo& call) const {
  const std::optional<tracing::TraceParent> parent = TraceParentOf(call.caller);
  call.trace = tracing::MakeCallTrace(parent);
  call.trace->sampled = exporter_.sampler().Samples(call.trace->trace_id, parent);
  if (call.trace->sampled && IsUnary(call.method)) {
    call.caller.AddToAnswer("traceresponse", tracing::FormatTraceparent(*call.trace));
  }
  if (call.trace->sampled) call.spans = std::make_unique<tracing::CallSpans>();
  return absl::OkStatus();
}

void TraceStep::End(const CallInfo& call, const absl::Status& status) const {
  if (!call.spans) return;
  const CallRecord& record = call.record;
  const auto now = std::chrono::system_clock::now();
  EndText end = TextOfEnd(status);
  *call.spans = {.trace = *call.trace,
                 .trace_state = TraceStateOf(call.caller),
                 .method = MethodText(call.method),
                 .code = std::move(end.code),
                 .reason = std::move(end.reason),
                 .is_fault = end.is_fault,
                 .peer = call.caller.Peer(),
                 .request_id = LoggedRequestId(call),
                 .model = record.model,
                 .model_version = record.model_version,
                 .bytes_in = record.bytes_in,
                 .bytes_out = record.bytes_out,
                 .begin = now - std::chrono::duration_cast<std::chrono::system_clock::duration>(record.duration()),
                 .end = now,
                 .receive = record.receive,
                 .queue = record.queue,
                 .run = record.compute};
}

void TraceStep::Sent(const SentAnswer& answer) const {
  if (answer.spans == nullptr) return;
  answer.spans->send = answer.duration.value_or(std::chrono::nanoseconds(0));
  answer.spans->end += std::chrono::duration_cast<std::chrono::system_clock::duration>(answer.spans->send);
  exporter_.Add(std::move(*answer.spans));
}

}  // namespace tensorferry::rpc
