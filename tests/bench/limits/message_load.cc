// message_load calls any unary method with the bytes of a file, so that forms of a request can be compared under one
// client. It prints as `tensorferry bench --json` does.
//
//   message_load ADDRESS METHOD FILE OUTSTANDING SIZE DURATION_MS WARMUP_MS
//
// SIZE is that of the elements that the message stands for.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "lib/channel.h"
#include "limits/closed_loop.h"

namespace tensorferry::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Call {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  grpc::ByteBuffer response;
  grpc::Status status;
  Clock::time_point start;
};

class Caller {
 public:
  Caller(const std::string& address, std::string method, const std::string& message, int outstanding)
      : method_(std::move(method)), stub_(Channel(address)), calls_(static_cast<std::size_t>(outstanding)) {
    const grpc::Slice slice(message);
    message_ = grpc::ByteBuffer(&slice, 1);
  }

  cli::BenchResult Measure(std::chrono::milliseconds duration) {
    cli::BenchResult result;
    const Clock::time_point start = Clock::now();
    for (Call& call : calls_) Send(call);
    Clock::time_point now = start;
    for (std::size_t unanswered = calls_.size(); unanswered > 0;) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue_.Next(&tag, &ok)) break;
      Call& call = *static_cast<Call*>(tag);
      now = Clock::now();
      if (call.status.ok()) {
        result.latency.Add(now - call.start);
        ++result.ok;
      } else {
        ++result.errors[call.status.error_message()];
      }
      --unanswered;
      if (now - start >= duration) continue;
      Send(call);
      ++unanswered;
    }
    result.elapsed = now - start;
    return result;
  }

 private:
  static std::shared_ptr<grpc::Channel> Channel(const std::string& address) {
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), client::CommonChannelArguments());
  }

  void Send(Call& call) {
    call.reader.reset();
    call.context.emplace();
    call.start = Clock::now();
    call.reader = stub_.PrepareUnaryCall(&*call.context, method_, message_, &queue_);
    call.reader->StartCall();
    call.reader->Finish(&call.response, &call.status, &call);
  }

  const std::string method_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  grpc::ByteBuffer message_;
  std::deque<Call> calls_;
};

std::string ContentOf(const char* file) {
  std::stringstream content;
  content << std::ifstream(file, std::ios::binary).rdbuf();
  return content.str();
}

}  // namespace
}  // namespace tensorferry::bench

int main(int argc, char** argv) {
  using namespace tensorferry::bench;
  if (argc != 8) return 2;
  const Load load = Load::Read(argv + 5);
  Caller caller(argv[1], argv[2], ContentOf(argv[3]), std::stoi(argv[4]));
  if (load.warmup.count() > 0) caller.Measure(load.warmup);
  Print(argv[2], load, caller.Measure(load.duration));
  return 0;
}
