#include "rpc/serve/recent_calls_step.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/utf8.h"
#include "rpc/serve/call_metadata.h"
#include "rpc/serve/end_text.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

constexpr std::size_t kMaxTextBytes = 128;

std::string Shortened(std::string_view text) { return Printable(text, kMaxTextBytes); }

SeenCall Describe(const CallInfo& call) {
  const CallRecord& record = call.record;
  return {.end = std::chrono::system_clock::now(),
          .duration = record.duration(),
          .method = MethodText(call.method),
          .peer = call.caller.Peer(),
          .request_id = LoggedRequestId(call),
          .model = Shortened(record.model),
          .model_version = Shortened(record.model_version),
          .bytes_in = record.bytes_in,
          .bytes_out = record.bytes_out,
          .receive = record.receive,
          .convert = record.convert,
          .queue = record.queue,
          .compute = record.compute};
}

}  // namespace

void RecentCallsStep::End(const CallInfo& call, const absl::Status& status) const {
  const CallRecord& record = call.record;
  if (!status.ok()) {
    SeenCall seen = Describe(call);
    Failure failure = FailureForCaller(status);
    seen.reason = failure.reason;
    seen.message = std::move(failure.message);
    calls_.AddRefusal(std::move(seen));
  } else if (call.kind == CallKind::kTensors && calls_.IsSlow(record.duration(), record.end)) {
    calls_.AddSlow(Describe(call), record.end);
  }
}

}  // namespace tensorferry::rpc
