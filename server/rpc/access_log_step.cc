#include "rpc/access_log_step.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/log_fields.h"
#include "base/status.h"
#include "rpc/serve/call_metadata.h"
#include "rpc/serve/end_text.h"

namespace tensorferry::rpc {
namespace {

constexpr auto kLevel = spdlog::level::info;

double Milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void AddCaller(const CallInfo& call, LogFields& fields) {
  fields.Add("peer", call.caller.Peer());
  fields.Add("role", std::string(call.role));
  fields.Add("certificate", call.caller.CertificateName());
  fields.Add("request_id", LoggedRequestId(call));
  fields.Add("trace_id", LoggedTraceId(call));
  if (call.trace) fields.Add("span_id", tracing::Hex(call.trace->span_id));
}

void AddWork(const CallRecord& record, LogFields& fields) {
  fields.Add("model", record.model);
  fields.Add("version", record.model_version);
  fields.Add("tensors", record.tensors.size());
  fields.Add("bytes_in", record.bytes_in);
  fields.Add("bytes_out", record.bytes_out);
  fields.Add("duration_ms", Milliseconds(record.duration()));
}

void AddStages(const CallRecord& record, LogFields& fields) {
  fields.Add("receive_ms", Milliseconds(record.receive));
  fields.Add("convert_ms", Milliseconds(record.convert));
  fields.Add("queue_ms", Milliseconds(record.queue));
  fields.Add("compute_ms", Milliseconds(record.compute));
}

}  // namespace

std::optional<std::uint64_t> AccessLogStep::Admit(const CallInfo& call, bool ok) const {
  if (which_ == AccessLog::kAll) return 0;
  // The time of the start is at hand: another look at the clock would cost more than all else here.
  return ok ? answered_.Admit(call.record.start) : failed_.Admit();
}

void AccessLogStep::End(const CallInfo& call, const absl::Status& status) const {
  if (!spdlog::should_log(kLevel)) return;
  const std::optional<std::uint64_t> left_out = Admit(call, status.ok());
  if (!left_out) return;
  const std::string method = MethodText(call.method);
  const EndText end = TextOfEnd(status);
  LogFields fields{.event = "access"};
  fields.Add("method", method);
  fields.Add("code", end.code);
  fields.Add("reason", end.reason);
  AddCaller(call, fields);
  AddWork(call.record, fields);
  if (call.kind == CallKind::kTensors && status.ok()) AddStages(call.record, fields);
  fields.Add("error", end.message);
  if (*left_out > 0) fields.Add("left_out", *left_out);
  LogWithFields(kLevel, fields, "access");
}

}  // namespace tensorferry::rpc
