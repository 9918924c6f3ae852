#include "rpc/triton_config/config_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <optional>
#include <regex>
#include <set>
#include <span>
#include <string_view>

#include "base/nearest.h"
#include "base/status.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// kHonoured lists the fields that have an effect. If a message itself is listed, all of its fields have one.
constexpr auto kHonoured = std::to_array<std::string_view>({
    "name",
    "platform",
    "backend",
    "runtime",
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
    "model_transaction_policy",
});

// kRefused lists the fields that a model cannot be served with: without them it would get or give other shapes or
// batches, something else would run, or nobody would have checked its files.
constexpr auto kRefused = std::to_array<std::string_view>({
    "input.is_shape_tensor",
    "input.allow_ragged_batch",
    "input.is_non_linear_format_io",
    "output.is_shape_tensor",
    "output.is_non_linear_format_io",
    "batch_input",
    "batch_output",
    "sequence_batching",
    "ensemble_scheduling",
    "cc_model_filenames",
    "model_operations.op_library_filename",
    "model_repository_agents.agents",
});

bool IsIn(std::span<const std::string_view> paths, std::string_view path) {
  return std::ranges::find(paths, path) != paths.end();
}

// Returns whether a field within the message at `path` is among `paths`.
bool LeadsTo(std::span<const std::string_view> paths, std::string_view path) {
  return std::ranges::any_of(paths, [&](std::string_view listed) {
    return listed.size() > path.size() && listed.starts_with(path) && listed[path.size()] == '.';
  });
}

// SetFields are the paths of fields that are set, but not honoured.
struct SetFields {
  std::set<std::string> refused, ignored;
};

void AddFields(const Message& message, const std::string& prefix, SetFields& set) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    const std::string path = prefix + std::string(field->name());
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (IsIn(kRefused, path)) {
      set.refused.insert(path);
    } else if (IsIn(kHonoured, path)) {
      continue;
    } else if (!LeadsTo(kHonoured, path) && !LeadsTo(kRefused, path)) {
      const bool says_nothing =
          is_message && !field->is_repeated() && reflection.GetMessage(message, field).ByteSizeLong() == 0;
      if (!says_nothing) set.ignored.insert(path);
    } else if (!field->is_repeated()) {
      AddFields(reflection.GetMessage(message, field), path + ".", set);
    } else {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        AddFields(reflection.GetRepeatedMessage(message, field, i), path + ".", set);
      }
    }
  }
}

// ValuesOf returns what a field may be, in the first message that has one of this name: "TYPE_INVALID, TYPE_BOOL".
std::string ValuesOf(const std::string& field_name) {
  const auto* const file = triton::ModelConfig::descriptor()->file();
  std::vector<std::string_view> values;
  for (int i = 0; i < file->message_type_count() && values.empty(); ++i) {
    const auto* const field = file->message_type(i)->FindFieldByName(field_name);
    const auto* const type = field == nullptr ? nullptr : field->enum_type();
    for (int v = 0; type != nullptr && v < type->value_count(); ++v) values.push_back(type->value(v)->name());
  }
  return fmt::format("{}", fmt::join(values, ", "));
}

// ExplainValue returns nothing if the message is about something else than a word that a field cannot be.
std::optional<std::string> ExplainValue(std::string_view message) {
  constexpr std::string_view kStart = "Unknown enumeration value of \"";
  constexpr std::string_view kMiddle = "\" for field \"";
  constexpr std::string_view kEnd = "\".";
  const std::size_t middle = message.find(kMiddle);
  if (!message.starts_with(kStart) || !message.ends_with(kEnd) || middle == std::string_view::npos) return std::nullopt;
  const std::string_view value = message.substr(kStart.size(), middle - kStart.size());
  std::string_view field = message.substr(middle + kMiddle.size());
  field.remove_suffix(kEnd.size());
  return fmt::format("{} cannot be {}; it is one of {}", field, Quote(value), ValuesOf(std::string(field)));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> IgnoredFields(const triton::ModelConfig& config) {
  SetFields set;
  AddFields(config, "", set);
  if (!set.refused.empty()) {
    return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: {} is not served", *set.refused.begin()));
  }
  return std::vector<std::string>(set.ignored.begin(), set.ignored.end());
}

std::string ExplainParserError(const std::string& message) {
  if (message.ends_with("got: ")) return message + "the end of the text";
  if (const auto unknown_value = ExplainValue(message)) return *unknown_value;
  static const std::regex unknown(R"re(Message type "([\w.]+)" has no field named "(\w+)"\.)re");
  std::smatch match;
  if (!std::regex_match(message, match, unknown)) return message;
  const auto* const type = triton::ModelConfig::descriptor()->file()->pool()->FindMessageTypeByName(match[1].str());
  if (type == nullptr) return message;
  std::vector<std::string_view> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  const std::string name = match[2].str();
  const auto nearest = Nearest(name, names);
  return fmt::format("{} has no field {}{}", type->name(), Quote(name),
                     nearest ? fmt::format("; did you mean {}?", *nearest) : "");
}

}  // namespace tensorferry::rpc
