#include "inference/isolation/worker_loop.h"

#include <c10/core/InferenceMode.h>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/engine/engine.h"
#include "inference/engine/model_file.h"
#include "inference/isolation/arena_allocator.h"
#include "inference/isolation/channel.h"
#include "inference/isolation/child_process.h"
#include "inference/isolation/load_codec.h"
#include "inference/isolation/message.h"
#include "inference/isolation/shared_arena.h"
#include "inference/isolation/status_codec.h"
#include "inference/isolation/tensor_codec.h"
#include "inference/isolation/worker_command.h"
#include "inference/tensor/catch_torch.h"
#include "inference/tensor/operator_threads.h"

namespace tensorferry::inference {
namespace {

// Memory that no request has needed for so long is given back.
constexpr int kIdleMilliseconds = 10'000;

// The arena has the memory of all larger tensors of torch's, so it keeps as much as malloc would.
constexpr std::uint64_t kMaxIdleOfTorch = 512 << 20;

// WorkerModel is the model that this process serves.
class WorkerModel {
 public:
  WorkerModel(std::shared_ptr<SharedArena> of_server, std::shared_ptr<SharedArena> own)
      : of_server_(std::move(of_server)), own_(std::move(own)) {}

  // Does what `request` asks for, and writes the answer. `send` sends it.
  template <typename Send>
  bool Answer(std::string_view request, Send send) {
    MessageReader reader(request);
    switch (static_cast<WorkerCommand>(reader.Get<std::uint8_t>())) {
      case WorkerCommand::kSetUp: return send(SetUp(reader));
      case WorkerCommand::kRun: return Run(reader, send);
      case WorkerCommand::kForgetRuns: return send(AnswerOf(engines_->forget_runs()));
    }
    return false;
  }

  void GiveBackMemory() {
    own_->Trim();
    malloc_trim(0);
  }

 private:
  static MessageWriter AnswerOf(const absl::Status& status) {
    MessageWriter answer;
    PutStatus(status, answer);
    return answer;
  }

  MessageWriter SetUp(MessageReader& reader) {
    const absl::Status loaded = Load(reader);
    MessageWriter answer = AnswerOf(loaded);
    if (loaded.ok()) PutInfo(engines_->models.front()->info(), answer);
    return answer;
  }

  absl::Status Load(MessageReader& reader) {
    const WorkerSetup setup = GetSetup(reader);
    TENSORFERRY_RETURN_IF_ERROR(reader.Finish());
    UseOperatorThreads(setup.intra_op_threads);
    TENSORFERRY_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::Adopt(kWorkerModelFile));
    TENSORFERRY_ASSIGN_OR_RETURN(engines_,
                                 LoadEngines(file, setup.config, {.name = setup.name, .version = setup.version}));
    TakeTensorsFrom(own_);  // Only now: weights need not be shared.
    return absl::OkStatus();
  }

  template <typename Send>
  bool Run(MessageReader& reader, Send send) {
    const c10::InferenceMode guard;
    auto outputs = RunModel(reader);
    if (!outputs.ok()) return send(AnswerOf(outputs.status()));
    TensorLender lender(*own_);
    MessageWriter answer = AnswerOf(absl::OkStatus());
    const absl::Status put = CatchTorch(Reason::kModelFailed, [&] { return lender.Put(*outputs, answer); });
    if (!put.ok()) return send(AnswerOf(put));
    const bool sent = send(answer);
    lender.Sent();
    return sent;
  }

  absl::StatusOr<std::vector<NamedTensor>> RunModel(MessageReader& reader) {
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<NamedTensor> inputs,
                                 CatchTorch(Reason::kModelFailed, [&] { return GetTensors(reader, of_server_); }));
    TENSORFERRY_RETURN_IF_ERROR(reader.Finish());
    return engines_->models.front()->Run(std::move(inputs));
  }

  const std::shared_ptr<SharedArena> of_server_, own_;
  std::optional<Engines> engines_;
};

}  // namespace

void RunWorker() {
  FollowParent();
  Channel channel(kWorkerSocket);
  auto of_server = SharedArena::Open(kWorkerArenaOfServer, /*max_idle_bytes=*/0);
  auto own = SharedArena::Open(kWorkerArena, kMaxIdleOfTorch);
  if (!of_server.ok() || !own.ok()) {
    spdlog::error("a worker process cannot map the memory that it shares: {}",
                  DescribeError(of_server.ok() ? own.status() : of_server.status()).log_text);
    return;
  }
  WorkerModel model(*std::move(of_server), *std::move(own));
  std::string request;
  for (;;) {
    if (!channel.Await(kIdleMilliseconds)) {
      model.GiveBackMemory();
      static_cast<void>(channel.Await(-1));
    }
    if (channel.Receive(request) != Channel::Received::kMessage) return;
    if (!model.Answer(request, [&](const MessageWriter& answer) { return channel.Send(answer.bytes()); })) return;
  }
}

}  // namespace tensorferry::inference
