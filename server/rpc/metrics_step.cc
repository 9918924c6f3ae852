#include "rpc/metrics_step.h"

#include <algorithm>
#include <functional>
#include <string>

#include "base/status.h"
#include "rpc/access_rules.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::MethodDescriptor;
using metrics::RequestCounts;
using metrics::Stage;

// Returns the methods of all services that the program has, in the order in which RequestCounts knows them.
std::vector<const MethodDescriptor*> AllMethods() {
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  std::vector<const MethodDescriptor*> methods;
  for (const AccessRule& rule : AccessRules()) {
    const MethodDescriptor* const method = pool.FindMethodByName(std::string(rule.method));
    if (method != nullptr) methods.push_back(method);
  }
  return methods;
}

std::string TypeOf(const MethodDescriptor& method) {
  if (method.client_streaming()) return method.server_streaming() ? "bidi_stream" : "client_stream";
  return method.server_streaming() ? "server_stream" : "unary";
}

// Counts what only requests with arrays have.
void CountArrays(const CallRecord& record, RequestCounts::Counter& counter) {
  counter.Bytes(record.bytes_in, record.bytes_out);
  for (const ReceivedTensor& tensor : record.tensors) {
    counter.Tensor(tensor.dtype, tensor.dtype_equal, tensor.nbytes);
  }
}

void CountStages(const CallRecord& record, RequestCounts::Counter& counter) {
  counter.SpentIn(Stage::kReceive, record.receive);
  counter.SpentIn(Stage::kConvert, record.convert);
  counter.SentElements(record.element_bytes_out);
  if (record.model.empty()) return;
  counter.SpentIn(Stage::kQueue, record.queue);
  counter.SpentIn(Stage::kCompute, record.compute);
}

}  // namespace

std::unique_ptr<RequestCounts> MakeRequestCounts() {
  std::vector<metrics::MethodName> names;
  for (const MethodDescriptor* const method : AllMethods()) {
    names.push_back({.service = std::string(method->service()->full_name()),
                     .method = std::string(method->name()),
                     .type = TypeOf(*method)});
  }
  return std::make_unique<RequestCounts>(std::move(names));
}

MetricsStep::MetricsStep(RequestCounts& counts) : counts_(counts) {
  for (const MethodDescriptor* const method : AllMethods()) places_.emplace_back(method, places_.size());
  std::ranges::sort(places_, std::less<>(), [](const auto& place) { return place.first; });
}

std::optional<std::size_t> MetricsStep::Find(const MethodDescriptor& method) const {
  const auto place =
      std::ranges::lower_bound(places_, &method, std::less<>(), [](const auto& each) { return each.first; });
  if (place == places_.end() || place->first != &method) return std::nullopt;
  return place->second;
}

absl::Status MetricsStep::Enter(CallInfo& call) const {
  if (const auto method = Find(call.method)) counts_.Start(*method);
  return absl::OkStatus();
}

void MetricsStep::End(const CallInfo& call, const absl::Status& status) const {
  const auto method = Find(call.method);
  if (!method) return;
  const CallRecord& record = call.record;
  RequestCounts::Counter counter = counts_.OnThisThread();
  counter.End(*method, status.code(), record.duration());
  counter.Messages(*method, record.messages_in, record.messages_out);
  if (!status.ok()) counter.Refusal(ReasonOf(status));
  if (call.kind != CallKind::kTensors) return;
  CountArrays(record, counter);
  if (status.ok()) CountStages(record, counter);
}

void MetricsStep::Sent(const SentAnswer& answer) const {
  if (answer.kind != CallKind::kTensors || !answer.ok || !answer.duration) return;
  counts_.OnThisThread().SpentIn(Stage::kSend, *answer.duration);
}

}  // namespace tensorferry::rpc
