#!/usr/bin/env bash
# In Debian 12's gRPC an idle connection keeps as many read buffers as its largest burst had bytes: after eight messages
# of 24 MiB, which the server has dropped, tens of MiB stay allocated until the connection is closed.
#
# Expected, before it was run: once the messages of a burst are dropped, their memory is free again, but for some KiB to
# read the next ones into.
# Found on 2026-11-29 on x86-64, in the heap of a server that had nothing to do: 886 buffers of 64 KiB of one connection.
# The package has gRPC's experiment tcp_read_chunks on. With it a connection allocates, before it waits, pieces of 64 KiB
# for as many bytes as it has read at a stretch, which is the more, the longer the reader lags behind the sender; the
# estimate doubles at once and falls by one in a hundred. GRPC_EXPERIMENTS=-tcp_read_chunks turns it off.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 . # apt downloads as a user of its own.
apt-get -q download libgrpc++-dev=1.51.1-3+b1 libgrpc++1.51=1.51.1-3+b1 libgrpc-dev=1.51.1-3+b1 libgrpc29=1.51.1-3+b1 \
  libprotobuf-dev=3.21.12-3+deb12u1 libprotobuf32=3.21.12-3+deb12u1 libc-ares2=1.18.1-3 libre2-9=20220601+dfsg-1+b1 \
  libabsl-dev=20220623.1-1+deb12u2 libabsl20220623=20220623.1-1+deb12u2 >download.log 2>&1 || {
  cat download.log >&2
  exit 1
}
for package in *.deb; do dpkg-deb -x "$package" .; done

cat >burst.cc <<'END_OF_SOURCE'
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

// A call of any method, on the server: takes one message, drops it, and answers with an empty one.
struct Dropped {
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream{&context};
  grpc::ByteBuffer message;
  int steps = 0;
};

void Serve(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue) {
  const auto wait = [&] {
    auto* call = new Dropped;
    service.RequestCall(&call->context, &call->stream, &queue, &queue, call);
  };
  wait();
  void* tag;
  for (bool ok; queue.Next(&tag, &ok);) {
    auto* call = static_cast<Dropped*>(tag);
    if (!ok || call->steps == 2) {
      delete call;
    } else if (call->steps++ == 0) {
      wait();
      call->stream.Read(&call->message, call);
    } else {
      call->message.Clear();
      call->stream.WriteAndFinish(grpc::ByteBuffer(), {}, grpc::Status::OK, call);
    }
  }
}

// The server's process. Writes its port into `out`, and for each byte from `in` how many MiB it has allocated.
[[noreturn]] void RunServer(int in, int out) {
  int port = 0;
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterAsyncGenericService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  std::thread([&] { Serve(service, *queue); }).detach();
  bool is_written = write(out, &port, sizeof port) == sizeof port;
  for (char asked; is_written && read(in, &asked, 1) == 1;) {
    const struct mallinfo2 heap = mallinfo2();
    const double mib = static_cast<double>(heap.uordblks + heap.hblkhd) / (1 << 20);
    is_written = write(out, &mib, sizeof mib) == sizeof mib;
  }
  _exit(0);
}

struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer answer;
  grpc::Status status;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
};

// Sends `count` messages of `size` bytes at once, and waits for all answers.
void Send(grpc::GenericStub& stub, int count, int size) {
  const int piece = std::min(size, 1 << 18);
  const std::vector<grpc::Slice> pieces(size / piece, grpc::Slice(std::string(piece, 'x')));
  const grpc::ByteBuffer message(pieces.data(), pieces.size());
  grpc::CompletionQueue queue;
  std::vector<Call> calls(count);
  for (Call& call : calls) {
    call.reader = stub.PrepareUnaryCall(&call.context, "/finding/Drop", message, &queue);
    call.reader->StartCall();
    call.reader->Finish(&call.answer, &call.status, &call);
  }
  void* tag;
  bool ok;
  for (int i = 0; i < count; ++i) queue.Next(&tag, &ok);
  for (const Call& call : calls) {
    if (call.status.ok()) continue;
    std::fprintf(stderr, "%s\n", call.status.error_message().c_str());
    std::exit(2);
  }
}

int main() {
  int to_server[2], from_server[2];
  if (pipe(to_server) != 0 || pipe(from_server) != 0) return 2;
  const pid_t pid = fork();
  if (pid == 0) {
    close(to_server[1]);  // So that the server notices when this process ends.
    RunServer(to_server[0], from_server[1]);
  }
  int port = 0;
  if (read(from_server[0], &port, sizeof port) != sizeof port) return 2;
  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  double most = 0;
  for (int burst = 0; burst < 16; ++burst) {
    Send(stub, 8, 24 << 20);
    Send(stub, 1, 1);
    usleep(200'000);
    double mib = 0;
    if (write(to_server[1], "?", 1) != 1 || read(from_server[0], &mib, sizeof mib) != sizeof mib) return 2;
    most = std::max(most, mib);
  }
  close(to_server[1]);
  waitpid(pid, nullptr, 0);
  std::printf("%.0f\n", most);
}
END_OF_SOURCE
libraries=$folder/usr/lib/$(gcc -print-multiarch)
g++ -std=c++17 -O2 -I"$folder/usr/include" burst.cc -o burst -L"$libraries" -Wl,-rpath,"$libraries" \
  -Wl,-rpath-link,"$libraries" -lgrpc++ -lgrpc -lgpr -labsl_synchronization

echo "gRPC 1.51.1 of Debian. A server drops eight messages of 24 MiB, sixteen times. The most MiB that it has allocated"
echo "between these bursts, when nothing is under way on its one connection:"
as_it_comes=$(env -u GRPC_EXPERIMENTS ./burst)
without=$(GRPC_EXPERIMENTS=-tcp_read_chunks ./burst)
echo "  as it comes: $as_it_comes, with GRPC_EXPERIMENTS=-tcp_read_chunks: $without"
if [ "$as_it_comes" -lt 16 ] || [ "$without" -gt 8 ]; then
  echo "This is not what was recorded: at least 16 as it comes, and at most 8 without tcp_read_chunks"
  exit 1
fi
echo "As recorded: the idle connection keeps what its largest burst had."
