#pragma once

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "metrics/request_counts.h"
#include "rpc/serve/call_chain.h"

namespace tensorferry::rpc {

// Makes the counts of the requests of all methods of all services.
std::unique_ptr<metrics::RequestCounts> MakeRequestCounts();

// MetricsStep counts requests. It is the first step: a request that another step refuses has come, too.
class MetricsStep final : public CallStep {
 public:
  // Borrows `counts`, which MakeRequestCounts has made.
  explicit MetricsStep(metrics::RequestCounts& counts);

  absl::Status Enter(CallInfo& call) const override;
  void End(const CallInfo& call, const absl::Status& status) const override;
  void Sent(const SentAnswer& answer) const override;

 private:
  // Returns the place of the method in the counts.
  std::optional<std::size_t> Find(const google::protobuf::MethodDescriptor& method) const;

  metrics::RequestCounts& counts_;
  std::vector<std::pair<const google::protobuf::MethodDescriptor*, std::size_t>> places_;  // By address.
};

}  // namespace tensorferry::rpc
