#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_annotations.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "rpc/serve/served_methods.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/waker.h"

namespace tensorferry::rpc {

// HealthService is grpc.health.v1.Health: it says whether a name is served. The name "" stands for the process.
// Threads: any.
class HealthService {
 public:
  static constexpr const char* kName = grpc::health::v1::Health::service_full_name();

  explicit HealthService(const ServiceEnvironment& services) : methods_(services) {}

  grpc::Service& service() { return service_; }

  // Serves calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

  // Sets whether `name` is served.
  void Set(const std::string& name, bool serving);

  // Makes the name one that was never set.
  void Forget(const std::string& name);

  // Makes every name not served, whatever is set later.
  void SetAllNotServing();

 private:
  using Generated = grpc::health::v1::Health;
  using Service = Generated::WithRawMethod_Check<Generated::WithRawMethod_Watch<Generated::Service>>;
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  absl::StatusOr<grpc::Status> Check(const grpc::health::v1::HealthCheckRequest& request,
                                     grpc::health::v1::HealthCheckResponse& response) const;
  Detached ServeWatch(grpc::ServerCompletionQueue* queue, CallSlots& slots);
  Status StatusOf(const std::string& name) const;  // SERVICE_UNKNOWN for a name that was never set.
  void AddWatcher(const std::shared_ptr<Waker>& watcher);
  void WakeWatchers();

  Service service_;
  ServedMethods methods_;
  mutable Mutex mutex_;
  std::map<std::string, Status, std::less<>> statuses_ TENSORFERRY_GUARDED_BY(mutex_);
  bool ended_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<Waker>> watchers_ TENSORFERRY_GUARDED_BY(mutex_);  // One for each Watch call.
};

}  // namespace tensorferry::rpc
