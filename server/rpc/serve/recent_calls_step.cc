#include "rpc/serve/recent_calls_step.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/utf8.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

constexpr std::size_t kMaxTextBytes = 128;

std::string Shortened(std::string_view text) { return Printable(text, kMaxTextBytes); }

SeenCall Describe(const CallInfo& call, RecentCalls::Clock::time_point now) {
  const CallRecord& record = call.record;
  return {.end = std::chrono::system_clock::now(),
          .duration = now - record.start,
          .method = call.method.full_name(),
          .peer = call.caller.context().peer(),
          .request_id = Shortened(record.request_id),
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
  const auto now = RecentCalls::Clock::now();
  if (!status.ok()) {
    SeenCall seen = Describe(call, now);
    Failure failure = FailureForCaller(status);
    seen.reason = failure.reason;
    seen.message = std::move(failure.message);
    calls_.AddRefusal(std::move(seen));
  } else if (call.kind == CallKind::kTensors && calls_.IsSlow(now - call.record.start, now)) {
    calls_.AddSlow(Describe(call, now), now);
  }
}

}  // namespace tensorferry::rpc
