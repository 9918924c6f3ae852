#include "rpc/serve/stall_watch.h"

#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server.h>

#include <atomic>
#include <deque>
#include <future>
#include <memory>

#include "rpc/health_service.h"
#include "testing/held_queue.h"
#include "testing/test_memory.h"

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

// BusyWait keeps a thread of a queue busy inside its wait for events, where gRPC calls FinalizeResult, until `go_on`.
// gRPC then waits on.
class BusyWait final : public grpc::internal::CompletionQueueTag {
 public:
  // Goes to the queue as an event of a channel whose state has not changed until a deadline, which has passed.
  void SendTo(ServingQueue& queue) {
    grpc_channel_watch_connectivity_state(channel_.get(), GRPC_CHANNEL_IDLE, gpr_inf_past(GPR_CLOCK_REALTIME),
                                          queue.get()->cq(), static_cast<grpc::internal::CompletionQueueTag*>(this));
  }

  bool FinalizeResult(void** /*tag*/, bool* /*ok*/) override {
    held.set_value();
    while (!go_on) continue;
    ended.set_value();
    return false;
  }

  std::promise<void> held, ended;
  std::atomic<bool> go_on = false;

 private:
  struct Destroy {
    void operator()(grpc_channel* channel) const { grpc_channel_destroy(channel); }
    void operator()(grpc_channel_credentials* credentials) const { grpc_channel_credentials_release(credentials); }
  };
  const std::unique_ptr<grpc_channel_credentials, Destroy> credentials_{grpc_insecure_credentials_create()};
  const std::unique_ptr<grpc_channel, Destroy> channel_{
      grpc_channel_create("127.0.0.1:1", credentials_.get(), nullptr)};  // Connects to nothing, as nobody uses it.
};

TEST(StallWatch, HasCallsAnsweredWhileTheOnlyThreadIsBusyInsideItsWait) {
  LiveCoroutines live;
  const CallChain chain{CallChain::Steps()};
  WorkerPool copiers(1);
  WaitLimit waits(std::chrono::milliseconds(0));
  OpenStreams streams;
  TestMemory memory;
  LocalMethods local(live);
  HealthService health({live, chain, copiers, waits, streams, memory.pool, local});
  health.Set("", true);
  grpc::ServerBuilder builder;
  std::deque<ServingQueue> queues;
  queues.emplace_back(builder);
  const std::unique_ptr<grpc::Server> server = builder.RegisterService(&health.service()).BuildAndStart();
  health.Serve(queues.front());
  queues.front().Start(1);
  {
    const StallWatch watch(queues);
    BusyWait busy;
    busy.SendTo(queues.front());
    busy.held.get_future().wait();
    const auto stub = grpc::health::v1::Health::NewStub(server->InProcessChannel({}));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    grpc::health::v1::HealthCheckResponse response;
    EXPECT_TRUE(stub->Check(&context, {}, &response).ok());
    busy.go_on = true;
    busy.ended.get_future().wait();
  }
  server->Shutdown(std::chrono::system_clock::now());
  live.WaitForNone();
  queues.front().Stop();
}

}  // namespace
}  // namespace tensorferry::rpc
