#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/waker.h"

namespace tensorferry::rpc {

// grpc.health.v1.Health: whether a name is served. "" is the process itself.
// Threads: any.
class HealthService {
 public:
  explicit HealthService(LiveCoroutines& live) : slots_(live) {}

  grpc::Service& service() { return service_; }

  // Serve calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

  void Set(const std::string& name, bool serving);

  // Nothing is served from now on, whatever is set.
  void SetAllNotServing();

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  Detached ServeWatch(grpc::ServerCompletionQueue* queue, CallSlots& slots);
  Status StatusOf(const std::string& name) const;  // SERVICE_UNKNOWN for names that were never set.
  void WakeWatchers();

  grpc::health::v1::Health::AsyncService service_;
  ServiceSlots slots_;
  mutable std::mutex mutex_;
  std::map<std::string, Status, std::less<>> statuses_;
  bool ended_ = false;
  std::vector<std::weak_ptr<Waker>> watchers_;  // One for each Watch call.
};

}  // namespace tensorferry::rpc
