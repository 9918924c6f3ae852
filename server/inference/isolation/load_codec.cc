#include "inference/isolation/load_codec.h"

#include <vector>

#include "payload/dtype.h"

namespace tensorferry::inference {
namespace {

constexpr std::uint8_t kNoDType = 0xFF;

void PutConfigured(const std::vector<ConfiguredTensor>& tensors, MessageWriter& message) {
  message.Put(static_cast<std::uint64_t>(tensors.size()));
  for (const ConfiguredTensor& tensor : tensors) {
    message.Put(std::string_view(tensor.name));
    message.Put(tensor.dtype ? static_cast<std::uint8_t>(*tensor.dtype) : kNoDType);
    message.Put(tensor.strings);
    message.Put(tensor.dims);
    message.Put(tensor.optional);
  }
}

std::vector<ConfiguredTensor> GetConfigured(MessageReader& message) {
  std::vector<ConfiguredTensor> tensors(message.GetCount());
  for (ConfiguredTensor& tensor : tensors) {
    tensor.name = message.GetText();
    if (const auto dtype = message.Get<std::uint8_t>(); dtype < kDTypes.size()) tensor.dtype = kDTypes.at(dtype).dtype;
    tensor.strings = message.GetBool();
    tensor.dims = message.GetNumbers();
    tensor.optional = message.GetBool();
  }
  return tensors;
}

void PutSpecs(const std::vector<TensorSpec>& specs, MessageWriter& message) {
  message.Put(static_cast<std::uint64_t>(specs.size()));
  for (const TensorSpec& spec : specs) {
    message.Put(std::string_view(spec.name));
    message.Put(std::string_view(spec.dtype));
    message.Put(spec.shape);
    message.Put(spec.optional);
  }
}

std::vector<TensorSpec> GetSpecs(MessageReader& message) {
  std::vector<TensorSpec> specs(message.GetCount());
  for (TensorSpec& spec : specs) {
    spec.name = message.GetText();
    spec.dtype = message.GetText();
    spec.shape = message.GetNumbers();
    spec.optional = message.GetBool();
  }
  return specs;
}

}  // namespace

void PutSetup(const WorkerSetup& setup, MessageWriter& message) {
  message.Put(std::string_view(setup.name));
  message.Put(std::string_view(setup.version));
  message.Put(setup.intra_op_threads);
  message.Put(setup.config.max_batch_size);
  PutConfigured(setup.config.inputs, message);
  PutConfigured(setup.config.outputs, message);
  message.Put(static_cast<std::uint64_t>(setup.config.parameters.size()));
  for (const auto& [name, value] : setup.config.parameters) {
    message.Put(std::string_view(name));
    message.Put(std::string_view(value));
  }
}

WorkerSetup GetSetup(MessageReader& message) {
  WorkerSetup setup;
  setup.name = message.GetText();
  setup.version = message.GetText();
  setup.intra_op_threads = message.Get<int>();
  setup.config.max_batch_size = message.Get<std::int64_t>();
  setup.config.inputs = GetConfigured(message);
  setup.config.outputs = GetConfigured(message);
  for (std::size_t left = message.GetCount(); left > 0; --left) {
    std::string name(message.GetText());
    setup.config.parameters.emplace(std::move(name), message.GetText());
  }
  return setup;
}

void PutInfo(const ModelInfo& info, MessageWriter& message) {
  message.Put(std::string_view(info.name));
  message.Put(std::string_view(info.version));
  message.Put(std::string_view(info.platform));
  PutSpecs(info.inputs, message);
  PutSpecs(info.outputs, message);
  message.Put(std::string_view(info.sha256));
  message.Put(info.max_batch_size);
}

ModelInfo GetInfo(MessageReader& message) {
  ModelInfo info{.state = ModelState::kReady};
  info.name = message.GetText();
  info.version = message.GetText();
  info.platform = message.GetText();
  info.inputs = GetSpecs(message);
  info.outputs = GetSpecs(message);
  info.sha256 = message.GetText();
  info.max_batch_size = message.Get<std::int64_t>();
  return info;
}

}  // namespace tensorferry::inference
