#include "metrics/request_counts.h"

#include <algorithm>
#include <utility>

namespace tensorferry::metrics {
namespace {

constexpr double kNanosecondsPerSecond = 1e9;

// The names are those that go-grpc-middleware gives, so that dashboards made for it work unchanged.
constexpr auto kCodeNames = std::to_array<const char*>(
    {"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
     "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
     "Internal", "Unavailable", "DataLoss", "Unauthenticated"});

constexpr auto kAuthReasons = std::to_array<Reason>({Reason::kUnauthenticated, Reason::kPermissionDenied});

Labels LabelsOf(const MethodName& name) {
  return {{"grpc_type", name.type}, {"grpc_service", name.service}, {"grpc_method", name.method}};
}

}  // namespace

RequestCounts::RequestCounts(std::vector<MethodName> methods) : methods_(std::move(methods)) {
  cells_.ForEach([this](Cells& cells) { cells.methods = std::make_unique<MethodCells[]>(methods_.size()); });
}

template <typename CellOf>
double RequestCounts::Sum(CellOf&& cell_of) const {
  std::uint64_t sum = 0;
  cells_.ForEach([&](const Cells& cells) { sum += cell_of(cells).Get(); });
  return static_cast<double>(sum);
}

void RequestCounts::Collect(Families& families) const {
  for (std::size_t method = 0; method < methods_.size(); ++method) CollectMethod(method, families);
  CollectReasons(families);
  CollectTensors(families);
  CollectBytes(families);
  CollectStages(families);
}

void RequestCounts::CollectMethod(std::size_t method, Families& families) const {
  const Labels labels = LabelsOf(methods_[method]);
  const auto sum = [&](Cell MethodCells::*cell) {
    return Sum([&](const Cells& cells) -> const Cell& { return cells.methods[method].*cell; });
  };
  // What has ended is read before what has begun, which is then never less.
  for (std::size_t code = 0; code < kCodes; ++code) {
    Labels of_code = labels;
    of_code.push_back({"grpc_code", kCodeNames.at(code)});
    families.Add(Metric::kHandled, std::move(of_code),
                 Sum([&](const Cells& cells) -> const Cell& { return cells.methods[method].handled[code]; }));
  }
  prometheus::ClientMetric::Histogram seconds;
  cells_.ForEach([&](const Cells& cells) { cells.methods[method].seconds.AddTo(seconds, kNanosecondsPerSecond); });
  families.Add(Metric::kHandlingSeconds, labels, std::move(seconds));
  families.Add(Metric::kStarted, labels, sum(&MethodCells::started));
  families.Add(Metric::kMessagesReceived, labels, sum(&MethodCells::received));
  families.Add(Metric::kMessagesSent, labels, sum(&MethodCells::sent));
}

void RequestCounts::CollectReasons(Families& families) const {
  for (const ReasonInfo& info : kReasons) {
    const Labels labels{{"reason", std::string(info.name)}};
    const double count =
        Sum([&](const Cells& cells) -> const Cell& { return cells.reasons[static_cast<std::size_t>(info.reason)]; });
    families.Add(Metric::kRejected, labels, count);
    if (std::ranges::find(kAuthReasons, info.reason) == kAuthReasons.end()) continue;
    families.Add(Metric::kAuthFailures, labels, count);
  }
}

void RequestCounts::CollectTensors(Families& families) const {
  double mismatches = 0;
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    const std::string dtype(kDTypes[i].name);
    const double equal = Sum([&](const Cells& cells) -> const Cell& { return cells.tensors[i].equal; });
    const double mismatched = Sum([&](const Cells& cells) -> const Cell& { return cells.tensors[i].mismatched; });
    families.Add(Metric::kTensors, {{"dtype", dtype}, {"outcome", "equal"}}, equal);
    families.Add(Metric::kTensors, {{"dtype", dtype}, {"outcome", "mismatch"}}, mismatched);
    mismatches += mismatched;
  }
  families.Add(Metric::kDtypeMismatches, {}, mismatches);
}

void RequestCounts::CollectBytes(Families& families) const {
  const auto add = [&](Metric metric, const char* direction, Cell Cells::*cell) {
    const double sum = Sum([&](const Cells& cells) -> const Cell& { return cells.*cell; });
    families.Add(metric, {{"direction", direction}}, sum);
  };
  add(Metric::kMessageBytes, "in", &Cells::bytes_in);
  add(Metric::kMessageBytes, "out", &Cells::bytes_out);
  add(Metric::kTensorBytes, "in", &Cells::tensor_bytes_in);
  add(Metric::kTensorBytes, "out", &Cells::tensor_bytes_out);
  prometheus::ClientMetric::Histogram sizes;
  cells_.ForEach([&](const Cells& cells) { cells.sizes.AddTo(sizes, 1); });
  families.Add(Metric::kTensorSize, {}, std::move(sizes));
}

void RequestCounts::CollectStages(Families& families) const {
  for (std::size_t i = 0; i < kStages.size(); ++i) {
    prometheus::ClientMetric::Histogram seconds;
    cells_.ForEach([&](const Cells& cells) { cells.stages[i].AddTo(seconds, kNanosecondsPerSecond); });
    families.Add(Metric::kStageSeconds, {{"stage", std::string(kStages[i])}}, std::move(seconds));
  }
}

}  // namespace tensorferry::metrics
