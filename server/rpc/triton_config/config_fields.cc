#include "rpc/triton_config/config_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace tensorferry::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// kHonoured lists the fields that have an effect. If a message itself is listed, all of its fields have one.
constexpr auto kHonoured = std::to_array<std::string_view>({
    "name",
    "platform",
    "backend",
    "version_policy",
    "max_batch_size",
    "input.name",
    "input.data_type",
    "input.dims",
    "input.reshape",
    "input.optional",
    "output.name",
    "output.data_type",
    "output.dims",
    "output.reshape",
    "output.label_filename",
    "dynamic_batching.preferred_batch_size",
    "dynamic_batching.max_queue_delay_microseconds",
    "dynamic_batching.priority_levels",
    "dynamic_batching.default_priority_level",
    "dynamic_batching.default_queue_policy",
    "dynamic_batching.priority_queue_policy",
    "instance_group.name",
    "instance_group.kind",
    "instance_group.count",
    "instance_group.gpus",
    "default_model_filename",
    "parameters",
    "model_warmup",
});

bool IsHonoured(std::string_view path) { return std::ranges::find(kHonoured, path) != kHonoured.end(); }

// Returns whether a field within the message at `path` is honoured.
bool LeadsToHonoured(std::string_view path) {
  return std::ranges::any_of(kHonoured, [&](std::string_view honoured) {
    return honoured.size() > path.size() && honoured.starts_with(path) && honoured[path.size()] == '.';
  });
}

void AddIgnored(const Message& message, const std::string& prefix, std::set<std::string>& ignored) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    const std::string path = prefix + field->name();
    if (IsHonoured(path)) continue;
    if (!LeadsToHonoured(path)) {
      ignored.insert(path);
    } else if (!field->is_repeated()) {
      AddIgnored(message.GetReflection()->GetMessage(message, field), path + ".", ignored);
    } else {
      for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
        AddIgnored(message.GetReflection()->GetRepeatedMessage(message, field, i), path + ".", ignored);
      }
    }
  }
}

}  // namespace

std::vector<std::string> IgnoredFields(const triton::ModelConfig& config) {
  std::set<std::string> ignored;
  AddIgnored(config, "", ignored);
  return {ignored.begin(), ignored.end()};
}

}  // namespace tensorferry::rpc
