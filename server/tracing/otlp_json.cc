#include "tracing/otlp_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

namespace tensorferry::tracing {
namespace {

using Json = nlohmann::json;

// The numbers of OTLP's enumerations.
constexpr int kInternalKind = 1;
constexpr int kServerKind = 2;
constexpr int kErrorStatus = 2;

// The flags of a span: W3C's own, and whether the parent is another program's.
constexpr unsigned int kSampledSpan = 0x001;
constexpr unsigned int kKnowsWhetherRemote = 0x100;
constexpr unsigned int kParentIsRemote = 0x200;

Json Attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

Json Attribute(std::string_view key, std::uint64_t value) {
  return {{"key", key}, {"value", {{"intValue", fmt::to_string(value)}}}};
}

std::string Nanoseconds(CallSpans::Time time) {
  return fmt::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

Json ServerSpan(const CallSpans& call) {
  Json attributes = {Attribute("rpc.system.name", "grpc"), Attribute("rpc.method", call.method),
                     Attribute("rpc.response.status_code", call.code), Attribute("tensorferry.bytes_in", call.bytes_in),
                     Attribute("tensorferry.bytes_out", call.bytes_out)};
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) attributes.push_back(Attribute(key, value));
  };
  add("error.type", call.reason);
  add("network.peer.address", call.peer);
  add("tensorferry.request_id", call.request_id);
  add("tensorferry.model", call.model);
  add("tensorferry.model_version", call.model_version);
  Json span = {{"traceId", Hex(call.trace.trace_id)},
               {"spanId", Hex(call.trace.span_id)},
               {"name", call.method},
               {"kind", kServerKind},
               {"startTimeUnixNano", Nanoseconds(call.begin)},
               {"endTimeUnixNano", Nanoseconds(call.end)},
               {"attributes", std::move(attributes)},
               {"status", Json::object()},
               {"flags", kSampledSpan | kKnowsWhetherRemote | (call.trace.parent_id ? kParentIsRemote : 0)}};
  if (call.trace.parent_id) span["parentSpanId"] = Hex(*call.trace.parent_id);
  if (!call.trace_state.empty()) span["traceState"] = call.trace_state;
  if (call.is_fault) span["status"] = {{"code", kErrorStatus}, {"message", call.reason}};
  return span;
}

// StageSpans adds the spans of the stages, one after the other; a stage that took no time has none.
class StageSpans {
 public:
  StageSpans(const CallSpans& call, Json& spans) : call_(call), spans_(spans), at_(call.begin) {}

  void Add(std::string_view name, std::chrono::nanoseconds duration) {
    if (duration.count() <= 0) return;
    const CallSpans::Time begin = at_;
    at_ += Ticks(duration);
    spans_.push_back({{"traceId", Hex(call_.trace.trace_id)},
                      {"spanId", Hex(MakeSpanId())},
                      {"parentSpanId", Hex(call_.trace.span_id)},
                      {"name", name},
                      {"kind", kInternalKind},
                      {"startTimeUnixNano", Nanoseconds(begin)},
                      {"endTimeUnixNano", Nanoseconds(at_)},
                      {"flags", kSampledSpan | kKnowsWhetherRemote}});
    if (!call_.model.empty()) spans_.back()["attributes"] = {Attribute("tensorferry.model", call_.model)};
  }
  void AddLast(std::string_view name, std::chrono::nanoseconds duration) {
    at_ = call_.end - Ticks(duration);
    Add(name, duration);
  }

 private:
  static CallSpans::Time::duration Ticks(std::chrono::nanoseconds duration) {
    return std::chrono::duration_cast<CallSpans::Time::duration>(duration);
  }

  const CallSpans& call_;
  Json& spans_;
  CallSpans::Time at_;
};

void AddSpans(const CallSpans& call, Json& spans) {
  spans.push_back(ServerSpan(call));
  if (!call.reason.empty()) return;  // Of a request that was refused only the whole is known.
  StageSpans stages(call, spans);
  stages.Add("receive", call.receive);
  stages.Add("queue", call.queue);
  stages.Add("run", call.run);
  stages.AddLast("send", call.send);
}

}  // namespace

std::string ToOtlpJson(std::span<const CallSpans> calls, const TraceSettings& settings) {
  Json attributes = Json::array();
  for (const auto& [key, value] : settings.resource) attributes.push_back(Attribute(key, value));
  Json spans = Json::array();
  for (const CallSpans& call : calls) AddSpans(call, spans);
  Json scope = {{"scope", {{"name", "tensorferry"}}}, {"spans", std::move(spans)}};
  Json resource = {{"resource", {{"attributes", std::move(attributes)}}},
                   {"scopeSpans", Json::array({std::move(scope)})}};
  const Json request = {{"resourceSpans", Json::array({std::move(resource)})}};
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tensorferry::tracing
