#pragma once

namespace tensorferry::rpc {

// Returns how many threads gRPC 1.51 starts at most when it is first used. It says nothing where the system has none
// left, and without them it keeps no time: deadlines and limits of connections do not hold.
int ThreadsThatGrpcStarts();

// Returns how many threads to keep for gRPC: those that it may start later, when it has much to do at once.
int ThreadsToKeepForGrpc();

// KeepThreadsForGrpc keeps `count` threads in this process, which wait: from then on gRPC gets one of them where the
// system has none left. Threads that an earlier call has kept are among the `count`; those that gRPC has got are not.
//
// A connection hands its work to gRPC's executor where two threads meet at it. The executor of 1.51 starts a thread for
// it when its others are busy, does not look whether the system had one, and gives the thread work, at once and from
// then on. Nobody does that work: the connection stands still, and its answers are lost. See Executor::Enqueue in
// https://github.com/grpc/grpc/blob/v1.51.1/src/core/lib/iomgr/executor.cc, and docs/adr/0034.
// Errors: throws NoThread.
void KeepThreadsForGrpc(int count);

}  // namespace tensorferry::rpc
