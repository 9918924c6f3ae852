#include "inference/isolation/isolated_model.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/file_descriptor.h"
#include "base/start_thread.h"
#include "base/status.h"
#include "inference/isolation/load_codec.h"
#include "inference/isolation/message.h"
#include "inference/isolation/status_codec.h"
#include "inference/isolation/tensor_codec.h"
#include "inference/isolation/worker.h"
#include "inference/isolation/worker_command.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

// Sends `message` and waits for the answer. Returns ABORTED, without a reason, if the other end is gone.
absl::StatusOr<std::string> Converse(WorkerSession& session, const MessageWriter& message) {
  std::string answer;
  if (!session.channel.Send(message.bytes()) || session.channel.Receive(answer) != Channel::Received::kMessage) {
    return absl::AbortedError("");
  }
  return answer;
}

absl::StatusOr<std::string> SetUpWorker(WorkerSession& session, const MessageWriter& setup) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::string answer, Converse(session, setup));
  MessageReader reader(answer);
  TENSORFERRY_RETURN_IF_ERROR(GetStatus(reader));
  return answer;
}

class IsolatedModel final : public Model {
 public:
  // `file` keeps the model's file open, so that a worker that is started later reads the same file.
  IsolatedModel(std::shared_ptr<const FileDescriptor> file, Worker::Options options)
      : file_(std::move(file)), worker_(std::move(options)) {}

  // Waits until the model is loaded. Called once, before all else.
  absl::Status AwaitLoaded() {
    TENSORFERRY_ASSIGN_OR_RETURN(const std::string reply, worker_.AwaitFirstStart());
    MessageReader reader(reply);
    TENSORFERRY_RETURN_IF_ERROR(GetStatus(reader));
    info_ = GetInfo(reader);
    return reader.Finish();
  }

  const ModelInfo& info() const override { return info_; }
  bool may_wait() const override { return !worker_.is_ready(); }
  std::optional<std::string> unavailable() const override { return worker_.unavailable(); }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    const MutexLock lock(mutex_);
    TENSORFERRY_ASSIGN_OR_RETURN(const Answer answer, Ask(inputs));
    MessageReader reader(answer.message);
    TENSORFERRY_RETURN_IF_ERROR(GetStatus(reader));
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<NamedTensor> outputs, CatchTorch(Reason::kModelFailed, [&] {
                                   return GetTensors(reader, answer.session->from_worker);
                                 }));
    TENSORFERRY_RETURN_IF_ERROR(reader.Finish());
    return outputs;
  }

  absl::Status ForgetRuns() {
    const MutexLock lock(mutex_);
    TENSORFERRY_ASSIGN_OR_RETURN(const std::shared_ptr<WorkerSession> session, worker_.AwaitSession());
    MessageWriter message;
    message.Put(WorkerCommand::kForgetRuns);
    const auto answer = Converse(*session, message);
    if (!answer.ok()) return worker_.DescribeEnd(session);
    MessageReader reader(*answer);
    return GetStatus(reader);
  }

 private:
  struct Answer {
    std::shared_ptr<WorkerSession> session;
    std::string message;
  };

  // Sends the inputs to the worker, and waits for its answer. A worker that ended before it had read the inputs has not
  // run the model: they go to the next one.
  absl::StatusOr<Answer> Ask(const std::vector<NamedTensor>& inputs) {
    for (bool is_first = true;; is_first = false) {
      TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<WorkerSession> session, worker_.AwaitSession());
      MessageWriter message;
      message.Put(WorkerCommand::kRun);
      TensorLender lender(*session->to_worker);
      TENSORFERRY_RETURN_IF_ERROR(CatchTorch(Reason::kModelFailed, [&] { return lender.Put(inputs, message); }));
      Answer answer{.session = session, .message = {}};
      auto received = Channel::Received::kUnread;
      if (session->channel.Send(message.bytes())) {
        lender.Sent();
        received = session->channel.Receive(answer.message);
      }
      if (received == Channel::Received::kMessage) return answer;
      absl::Status ended = worker_.DescribeEnd(session);
      if (received != Channel::Received::kUnread || !is_first) return ended;
    }
  }

  const std::shared_ptr<const FileDescriptor> file_;
  ModelInfo info_;
  Mutex mutex_;    // Held while the worker works on something: it does one thing at a time.
  Worker worker_;  // The last member: it uses the file.
};

}  // namespace

absl::StatusOr<Engines> LoadIsolated(const ModelFile& file, const ModelConfig& config, const EngineOptions& options,
                                     const IsolationOptions& isolation) {
  if (!options.device.is_cpu()) {
    return MakeError(
        Reason::kModelNotReady,
        fmt::format("isolation is for models on the CPU, and this one is placed on {}", options.device.str()));
  }
  const auto handle = std::make_shared<const FileDescriptor>(open(file.path().c_str(), O_RDONLY | O_CLOEXEC));
  if (!*handle) return MakeError(Reason::kModelNotReady, "the file cannot be opened again");
  MessageWriter setup;
  setup.Put(WorkerCommand::kSetUp);
  PutSetup({.name = options.name,
            .version = options.version,
            .config = config,
            .intra_op_threads = isolation.intra_op_threads},
           setup);
  const Worker::Options worker{.model = fmt::format("model {} version {}", options.name, options.version),
                               .command = isolation.command,
                               .file = handle->get(),
                               .set_up = [setup](WorkerSession& session) { return SetUpWorker(session, setup); },
                               .on_change = isolation.on_change};
  std::vector<std::shared_ptr<IsolatedModel>> models;
  try {
    for (int i = 0; i < options.runs_at_once; ++i) models.push_back(std::make_shared<IsolatedModel>(handle, worker));
  } catch (const NoThread& error) {
    return MakeError(Reason::kModelNotReady, error.what());
  }
  Engines engines;
  for (const auto& model : models) {  // Their processes load at the same time.
    TENSORFERRY_RETURN_IF_ERROR(model->AwaitLoaded());
    engines.models.push_back(model);
  }
  engines.forget_runs = [models = std::move(models)] {
    for (const auto& model : models) TENSORFERRY_RETURN_IF_ERROR(model->ForgetRuns());
    return absl::OkStatus();
  };
  return engines;
}

}  // namespace tensorferry::inference
