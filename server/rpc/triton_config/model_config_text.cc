#include "rpc/triton_config/model_config_text.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "base/status.h"
#include "payload/dtype.h"
#include "rpc/triton_config/config_fields.h"

namespace tensorferry::rpc {
namespace {

using inference::ConfiguredTensor;

// These are Triton's names of the platforms.
constexpr std::string_view kTorchScript = "pytorch_libtorch";
constexpr std::string_view kAotInductor = "torch_aoti";

// This is what Triton calls the library of its PyTorch backend, which runs such models.
constexpr std::string_view kRuntime = "libtriton_pytorch.so";

absl::Status Refuse(const std::string& why) { return MakeError(Reason::kModelNotReady, "config.pbtxt: " + why); }

// Complaints keeps the first error that protobuf's parser reports: by AddError where protobuf is older than 22, else by
// RecordError. Each overrides what the one has and the other has not, so that neither says `override`.
class Complaints final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) {
    if (!error.empty()) return;
    error = fmt::format("line {}, column {}: {}", line + 1, column + 1, ExplainParserError(message));
  }
  void RecordError(int line, int column, std::string_view message) { AddError(line, column, std::string(message)); }
  std::string error;
};

absl::StatusOr<std::optional<DType>> ReadDType(const triton::ModelConfig& proto, const std::string& name,
                                               triton::DataType type) {
  const auto parameter = proto.parameters().find(std::string(inference::kDTypeParameter) + name);
  if (parameter != proto.parameters().end()) {
    const auto dtype = DTypeByName(parameter->second.string_value());
    if (!dtype) {
      return Refuse(fmt::format("parameter {}: there is no dtype {}", Quote(parameter->first),
                                Quote(parameter->second.string_value())));
    }
    return dtype;
  }
  switch (type) {
    case triton::TYPE_INVALID: return std::nullopt;
    case triton::TYPE_BOOL: return DType::kBool;
    case triton::TYPE_UINT8: return DType::kUInt8;
    case triton::TYPE_UINT16: return DType::kUInt16;
    case triton::TYPE_UINT32: return DType::kUInt32;
    case triton::TYPE_UINT64: return DType::kUInt64;
    case triton::TYPE_INT8: return DType::kInt8;
    case triton::TYPE_INT16: return DType::kInt16;
    case triton::TYPE_INT32: return DType::kInt32;
    case triton::TYPE_INT64: return DType::kInt64;
    case triton::TYPE_FP16: return DType::kFloat16;
    case triton::TYPE_FP32: return DType::kFloat32;
    case triton::TYPE_FP64: return DType::kFloat64;
    case triton::TYPE_BF16: return DType::kBFloat16;
    default: break;
  }
  return Refuse(fmt::format("{}: data_type {} is not served", Quote(name), triton::DataType_Name(type)));
}

// `Proto` is ModelInput or ModelOutput.
template <typename Proto>
absl::StatusOr<ConfiguredTensor> ReadTensor(const triton::ModelConfig& config, const Proto& proto) {
  ConfiguredTensor tensor{.name = proto.name(), .dims = {proto.dims().begin(), proto.dims().end()}};
  if (tensor.name.empty()) return Refuse("an input or output has no name");
  tensor.strings = proto.data_type() == triton::TYPE_STRING;
  if (!tensor.strings) {
    TENSORFERRY_ASSIGN_OR_RETURN(tensor.dtype, ReadDType(config, proto.name(), proto.data_type()));
  }
  if (proto.has_reshape()) tensor.reshape.emplace(proto.reshape().shape().begin(), proto.reshape().shape().end());
  const auto is_dim = [](std::int64_t dim) { return dim >= -1; };
  if (!std::ranges::all_of(tensor.dims, is_dim) || (tensor.reshape && !std::ranges::all_of(*tensor.reshape, is_dim))) {
    return Refuse(fmt::format("{}: dims are numbers of elements, or -1 for any", Quote(tensor.name)));
  }
  return tensor;
}

absl::Status ReadTensors(const triton::ModelConfig& proto, inference::ModelConfig& config) {
  for (const auto& input : proto.input()) {
    TENSORFERRY_ASSIGN_OR_RETURN(ConfiguredTensor tensor, ReadTensor(proto, input));
    tensor.optional = input.optional();
    config.inputs.push_back(std::move(tensor));
  }
  for (const auto& output : proto.output()) {
    TENSORFERRY_ASSIGN_OR_RETURN(ConfiguredTensor tensor, ReadTensor(proto, output));
    tensor.label_filename = output.label_filename();
    config.outputs.push_back(std::move(tensor));
  }
  for (const auto* tensors : {&config.inputs, &config.outputs}) {
    std::set<std::string> names;
    for (const ConfiguredTensor& tensor : *tensors) {
      if (!names.insert(tensor.name).second) return Refuse(fmt::format("{} comes twice", Quote(tensor.name)));
    }
  }
  return absl::OkStatus();
}

void ReadVersions(const triton::ModelVersionPolicy& proto, inference::VersionPolicy& policy) {
  using Kind = inference::VersionPolicy::Kind;
  switch (proto.policy_choice_case()) {
    case triton::ModelVersionPolicy::kLatest: policy.latest = std::max(proto.latest().num_versions(), 1U); break;
    case triton::ModelVersionPolicy::kAll: policy.kind = Kind::kAll; break;
    case triton::ModelVersionPolicy::kSpecific:
      policy.kind = Kind::kSpecific;
      policy.specific.assign(proto.specific().versions().begin(), proto.specific().versions().end());
      break;
    case triton::ModelVersionPolicy::POLICY_CHOICE_NOT_SET: break;
  }
}

inference::QueuePolicy ReadQueuePolicy(const triton::ModelQueuePolicy& proto) {
  return {.delays_late = proto.timeout_action() == triton::ModelQueuePolicy::DELAY,
          .default_timeout = std::chrono::microseconds(proto.default_timeout_microseconds()),
          .allow_timeout_override = proto.allow_timeout_override(),
          .max_queue_size = proto.max_queue_size()};
}

absl::StatusOr<inference::DynamicBatching> ReadBatching(const triton::ModelDynamicBatching& proto,
                                                        std::int64_t max_batch_size) {
  constexpr std::uint64_t kMaxLevels = 1024;
  inference::DynamicBatching batching{
      .preferred_batch_sizes = {proto.preferred_batch_size().begin(), proto.preferred_batch_size().end()},
      .max_queue_delay = std::chrono::microseconds(proto.max_queue_delay_microseconds()),
      .priority_levels = proto.priority_levels(),
      .default_priority = proto.default_priority_level(),
      .default_policy = ReadQueuePolicy(proto.default_queue_policy())};
  std::ranges::sort(batching.preferred_batch_sizes);
  for (const std::int64_t size : batching.preferred_batch_sizes) {
    if (size < 1 || size > max_batch_size) {
      return Refuse(fmt::format("preferred_batch_size {} is not from 1 to max_batch_size, {}", size, max_batch_size));
    }
  }
  if (batching.priority_levels > kMaxLevels) {
    return Refuse(fmt::format("priority_levels {} is more than {}, the most that a model may have",
                              batching.priority_levels, kMaxLevels));
  }
  if (batching.default_priority > batching.priority_levels ||
      (batching.priority_levels > 0 && batching.default_priority == 0)) {
    return Refuse(fmt::format("default_priority_level {} is not from 1 to priority_levels, {}",
                              batching.default_priority, batching.priority_levels));
  }
  for (const auto& [level, policy] : proto.priority_queue_policy()) {
    if (level < 1 || level > batching.priority_levels) {
      return Refuse(fmt::format("priority_queue_policy is for level {}, but priority_levels is {}", level,
                                batching.priority_levels));
    }
    batching.policies[level] = ReadQueuePolicy(policy);
  }
  return batching;
}

inference::InstanceGroup ReadInstances(const triton::ModelInstanceGroup& proto) {
  using Kind = inference::InstanceGroup::Kind;
  inference::InstanceGroup group{.count = proto.count(), .gpus = {proto.gpus().begin(), proto.gpus().end()}};
  switch (proto.kind()) {
    case triton::ModelInstanceGroup::KIND_CPU: group.kind = Kind::kCpu; break;
    case triton::ModelInstanceGroup::KIND_GPU: group.kind = Kind::kGpu; break;
    case triton::ModelInstanceGroup::KIND_MODEL: group.kind = Kind::kModel; break;
    default: break;
  }
  return group;
}

absl::StatusOr<inference::WarmUpSample> ReadWarmUp(const triton::ModelConfig& config,
                                                   const triton::ModelWarmup& proto) {
  using Content = inference::WarmUpInput::Content;
  inference::WarmUpSample sample{.name = proto.name(),
                                 .batch_size = proto.batch_size(),
                                 .count = static_cast<int>(std::min(proto.count(), 1000U))};
  for (const auto& [name, input] : proto.inputs()) {
    inference::WarmUpInput read{.dims = {input.dims().begin(), input.dims().end()}};
    TENSORFERRY_ASSIGN_OR_RETURN(read.dtype, ReadDType(config, name, input.data_type()));
    if (input.random_data()) read.content = Content::kRandom;
    if (input.input_data_type_case() == triton::ModelWarmup::Input::kInputDataFile) {
      read.content = Content::kFile;
      read.file = input.input_data_file();
    }
    sample.inputs.emplace(name, std::move(read));
  }
  return sample;
}

// Refuses a configuration that needs something that this server does not do.
absl::Status CheckServed(const triton::ModelConfig& proto) {
  constexpr std::array<std::string_view, 3> kPlatforms{"", kTorchScript, kAotInductor};
  if (std::ranges::find(kPlatforms, proto.platform()) == kPlatforms.end()) {
    return Refuse(
        fmt::format("platform {} is not served; only pytorch_libtorch and torch_aoti are", Quote(proto.platform())));
  }
  if (!proto.backend().empty() && proto.backend() != "pytorch") {
    return Refuse(fmt::format("backend {} is not served; only pytorch is", Quote(proto.backend())));
  }
  if (!proto.runtime().empty() && proto.runtime() != kRuntime) {
    return Refuse(fmt::format("runtime {} is not served; only {} is", Quote(proto.runtime()), kRuntime));
  }
  if (proto.model_transaction_policy().decoupled()) return Refuse("decoupled models are not served");
  if (proto.max_batch_size() < 0) return Refuse(fmt::format("max_batch_size is {}", proto.max_batch_size()));
  return absl::OkStatus();
}

absl::Status ReadParameters(const triton::ModelConfig& proto, inference::ModelConfig& config) {
  for (const auto& [name, value] : proto.parameters()) {
    config.parameters[name] = value.string_value();
    if (!name.starts_with(inference::kDTypeParameter)) continue;
    const std::string_view tensor = std::string_view(name).substr(inference::kDTypeParameter.size());
    if (std::ranges::count(config.inputs, tensor, &ConfiguredTensor::name) == 0 &&
        std::ranges::count(config.outputs, tensor, &ConfiguredTensor::name) == 0) {
      return Refuse(fmt::format("parameter {}: there is no such input or output", Quote(name)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<inference::ModelConfig> FromProto(const triton::ModelConfig& proto) {
  TENSORFERRY_RETURN_IF_ERROR(CheckServed(proto));
  inference::ModelConfig config{.name = proto.name(),
                                .max_batch_size = proto.max_batch_size(),
                                .default_model_filename = proto.default_model_filename()};
  TENSORFERRY_ASSIGN_OR_RETURN(config.ignored, IgnoredFields(proto));
  TENSORFERRY_RETURN_IF_ERROR(ReadTensors(proto, config));
  ReadVersions(proto.version_policy(), config.versions);
  if (proto.has_dynamic_batching()) {
    TENSORFERRY_ASSIGN_OR_RETURN(config.batching, ReadBatching(proto.dynamic_batching(), config.max_batch_size));
  }
  for (const auto& group : proto.instance_group()) config.instances.push_back(ReadInstances(group));
  TENSORFERRY_RETURN_IF_ERROR(ReadParameters(proto, config));
  for (const auto& warm_up : proto.model_warmup()) {
    TENSORFERRY_ASSIGN_OR_RETURN(inference::WarmUpSample sample, ReadWarmUp(proto, warm_up));
    config.warm_up.push_back(std::move(sample));
  }
  return config;
}

bool ParseText(std::string_view text, Complaints& complaints, triton::ModelConfig& proto) {
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&complaints);
  parser.SetRecursionLimit(32);
  return parser.ParseFromString(std::string(text), &proto);
}

// The lines of protobuf's after the first show the caller its own text.
absl::Status NoOverride(std::string_view why) {
  return MakeError(
      Reason::kModelNotReady,
      fmt::format("the override of the configuration is not a ModelConfig in JSON: {}", why.substr(0, why.find('\n'))));
}

// Replaces the fields of `proto` that the JSON has, even those that the JSON sets to their defaults.
absl::Status Override(std::string_view json, triton::ModelConfig& proto) {
  triton::ModelConfig overrides;
  const auto parsed = google::protobuf::util::JsonStringToMessage(std::string(json), &overrides);
  if (!parsed.ok()) return NoOverride({parsed.message().data(), parsed.message().size()});
  const auto object = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return NoOverride("it is not an object");
  const google::protobuf::Descriptor& fields = *proto.GetDescriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* const field = fields.field(i);
    if (object.contains(std::string(field->name())) || object.contains(std::string(field->json_name()))) {
      proto.GetReflection()->ClearField(&proto, field);
    }
  }
  proto.MergeFrom(overrides);
  return absl::OkStatus();
}

triton::DataType DataTypeOf(std::string_view dtype) {
  if (dtype == inference::kStrings) return triton::TYPE_STRING;
  const auto known = DTypeByName(dtype);
  triton::DataType type = triton::TYPE_INVALID;
  const bool found = known && triton::DataType_Parse(fmt::format("TYPE_{}", Info(*known).oip), &type);
  return found ? type : triton::TYPE_INVALID;
}

// Adds the model's own inputs or outputs. `tensors` is a repeated ModelInput or ModelOutput.
template <typename Tensors>
void AddTensors(const std::vector<inference::TensorSpec>& specs, triton::ModelConfig& proto, Tensors& tensors) {
  for (const inference::TensorSpec& spec : specs) {
    auto& tensor = *tensors.Add();
    tensor.set_name(spec.name);
    tensor.set_data_type(DataTypeOf(spec.dtype));
    if (tensor.data_type() == triton::TYPE_INVALID && !spec.dtype.empty()) {
      (*proto.mutable_parameters())[std::string(inference::kDTypeParameter) + spec.name].set_string_value(spec.dtype);
    }
    const auto batch = proto.max_batch_size() > 0 && !spec.shape.empty() ? 1 : 0;
    tensor.mutable_dims()->Add(spec.shape.begin() + batch, spec.shape.end());
  }
}

}  // namespace

absl::StatusOr<inference::ModelConfig> ReadModelConfig(std::string_view text, std::string_view overrides) {
  Complaints complaints;
  triton::ModelConfig proto;
  if (!ParseText(text, complaints, proto)) return Refuse(complaints.error);
  if (!overrides.empty()) TENSORFERRY_RETURN_IF_ERROR(Override(overrides, proto));
  TENSORFERRY_ASSIGN_OR_RETURN(inference::ModelConfig config, FromProto(proto));
  if (!google::protobuf::TextFormat::PrintToString(proto, &config.text)) return Refuse("it cannot be written as text");
  return config;
}

std::string_view TritonPlatformOf(const inference::ModelInfo& model) {
  if (model.platform == "torchscript") return kTorchScript;
  if (model.platform == "aotinductor") return kAotInductor;
  return model.platform;
}

triton::ModelConfig ToProto(const inference::ModelInfo& model, const inference::ModelConfig& config) {
  triton::ModelConfig proto;
  Complaints complaints;
  ParseText(config.text, complaints, proto);  // Cannot fail: the text was printed from a message.
  proto.set_name(model.name);
  if (model.platform != inference::kBuiltIn) proto.set_platform(std::string(TritonPlatformOf(model)));
  if (proto.backend().empty() && !proto.platform().empty()) proto.set_backend("pytorch");
  if (!proto.has_version_policy()) proto.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  proto.set_max_batch_size(static_cast<std::int32_t>(model.max_batch_size));
  if (proto.input().empty()) AddTensors(model.inputs, proto, *proto.mutable_input());
  if (proto.output().empty()) AddTensors(model.outputs, proto, *proto.mutable_output());
  return proto;
}

}  // namespace tensorferry::rpc
