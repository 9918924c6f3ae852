#include "rpc/serve/stall_watch.h"

#include <gmock/gmock.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server.h>

#include <deque>
#include <future>
#include <memory>

namespace tensorferry::rpc {
namespace {

// Hold keeps the thread of its queue until `go_on`.
class Hold final : public Tag {
 public:
  void Complete(bool /*ok*/) override {
    held.set_value();
    go_on.get_future().wait();
    ended.set_value();
  }
  std::promise<void> held, go_on, ended;
};

class Served final : public Tag {
 public:
  void Complete(bool /*ok*/) override { done.set_value(); }
  std::promise<void> done;
};

void Ring(grpc::Alarm& alarm, ServingQueue& queue, Tag& tag) {
  alarm.Set(queue.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &tag);
}

TEST(StallWatch, HasEveryStalledQueueServed) {
  grpc::ServerBuilder builder;
  std::deque<ServingQueue> queues;
  for (int i = 0; i < 2; ++i) queues.emplace_back(builder);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  for (ServingQueue& queue : queues) queue.Start(1);
  {
    const StallWatch watch(queues);
    for (ServingQueue& queue : queues) {
      Hold hold;
      Served served;
      grpc::Alarm first, second;
      Ring(first, queue, hold);
      hold.held.get_future().wait();
      Ring(second, queue, served);
      served.done.get_future().wait();  // Another thread serves it: the queue's own is held.
      hold.go_on.set_value();
      hold.ended.get_future().wait();
    }
  }
  server->Shutdown();
  for (ServingQueue& queue : queues) queue.Stop();
}

}  // namespace
}  // namespace tensorferry::rpc
