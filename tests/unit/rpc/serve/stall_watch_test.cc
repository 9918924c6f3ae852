#include "rpc/serve/stall_watch.h"

#include <gmock/gmock.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server.h>

#include <deque>
#include <memory>

#include "testing/held_queue.h"

namespace tensorferry::rpc {
namespace {

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
