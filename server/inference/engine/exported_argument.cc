#include <c10/util/complex.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/engine/exported_json.h"

namespace tensorferry::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxName = 1024;

ExportedValue Constant(c10::IValue constant) { return {.name = {}, .constant = std::move(constant)}; }

ExportedValue Named(const Json& json) {
  std::string name = json.get<std::string>();
  if (name.empty()) throw WrongProgram("a value has no name");
  if (name.size() > kMaxName)
    throw WrongProgram(fmt::format("a name has {} bytes, at most {} are read", name.size(), kMaxName));
  return {.name = std::move(name), .constant = {}};
}

ExportedValue TensorOf(const Json& json) { return Named(json.at("name")); }
ExportedValue IntConstant(const Json& json) { return Constant(IntOf(json)); }
ExportedValue FloatConstant(const Json& json) { return Constant(FloatOf(json)); }
ExportedValue BoolConstant(const Json& json) { return Constant(json.get<bool>()); }
ExportedValue StringConstant(const Json& json) { return Constant(json.get<std::string>()); }
ExportedValue None(const Json&) { return Constant({}); }

// Reads a number that is computed when the program runs, or a constant.
ExportedValue SymbolicOf(const Json& json) {
  const auto& [kind, value] = UnionOf(json);
  if (kind == "as_name") return Named(value);
  if (kind == "as_int") return IntConstant(value);
  if (kind == "as_float") return FloatConstant(value);
  if (kind == "as_bool") return BoolConstant(value);
  throw WrongProgram(fmt::format("a number is {}", Quote(kind)));
}

ExportedValue OptionalTensorOf(const Json& json) {
  const auto& [kind, value] = UnionOf(json);
  return kind == "as_none" ? None(value) : TensorOf(value);
}

ExportedValue DeviceOf(const Json& json) {
  std::string device = json.at("type").get<std::string>();
  const Json index = json.value("index", Json());
  if (!index.is_null()) device += fmt::format(":{}", IntOf(index));
  return Constant(c10::Device(device));
}

ExportedValue ComplexOf(const Json& json) {
  return Constant(c10::complex<double>(FloatOf(json.at("real")), FloatOf(json.at("imag"))));
}

ExportedValue ScalarTypeConstant(const Json& json) { return Constant(static_cast<std::int64_t>(ScalarTypeOf(json))); }
ExportedValue LayoutConstant(const Json& json) { return Constant(static_cast<std::int64_t>(LayoutOf(json))); }
ExportedValue FormatConstant(const Json& json) { return Constant(static_cast<std::int64_t>(MemoryFormatOf(json))); }

struct Reader {
  std::string_view kind;
  ExportedValue (*read)(const Json&);
  bool is_list = false;
};

constexpr auto kReaders = std::to_array<Reader>({
    {"as_none", None},
    {"as_tensor", TensorOf},
    {"as_tensors", TensorOf, true},
    {"as_int", IntConstant},
    {"as_ints", IntConstant, true},
    {"as_float", FloatConstant},
    {"as_floats", FloatConstant, true},
    {"as_string", StringConstant},
    {"as_strings", StringConstant, true},
    {"as_sym_int", SymbolicOf},
    {"as_sym_ints", SymbolicOf, true},
    {"as_sym_float", SymbolicOf},
    {"as_sym_floats", SymbolicOf, true},
    {"as_sym_bool", SymbolicOf},
    {"as_sym_bools", SymbolicOf, true},
    {"as_scalar_type", ScalarTypeConstant},
    {"as_memory_format", FormatConstant},
    {"as_layout", LayoutConstant},
    {"as_device", DeviceOf},
    {"as_bool", BoolConstant},
    {"as_bools", BoolConstant, true},
    {"as_optional_tensor", OptionalTensorOf},
    {"as_optional_tensors", OptionalTensorOf, true},
    {"as_complex", ComplexOf},
});

ExportedNode NodeOf(const Json& json) {
  ExportedNode node{.target = json.at("target").get<std::string>(), .inputs = {}, .outputs = {}};
  for (const Json& input : json.at("inputs")) {
    node.inputs.push_back({input.at("name").get<std::string>(), ArgumentOf(input.at("arg"))});
  }
  for (const Json& output : json.at("outputs")) node.outputs.push_back(ArgumentOf(output));
  return node;
}

}  // namespace

ExportedArgument ArgumentOf(const Json& json) {
  const auto& [kind, value] = UnionOf(json);
  ExportedArgument argument{.kind = kind, .items = {}, .graph = nullptr};
  if (kind == "as_graph") {
    argument.form = ExportedArgument::Form::kGraph;
    argument.graph = std::make_shared<const ExportedGraph>(GraphOf(value.at("graph")));
    return argument;
  }
  const auto reader = std::ranges::find(kReaders, kind, &Reader::kind);
  if (reader == kReaders.end())
    throw WrongProgram(fmt::format("arguments of the kind {} are not run here", Quote(kind)));
  if (!reader->is_list) {
    argument.items.push_back(reader->read(value));
    return argument;
  }
  argument.form = ExportedArgument::Form::kList;
  if (!value.is_array()) throw WrongProgram(fmt::format("a value of the kind {} is no list", Quote(kind)));
  argument.items.reserve(value.size());
  for (const Json& item : value) argument.items.push_back(reader->read(item));
  return argument;
}

ExportedGraph GraphOf(const Json& json) {
  ExportedGraph graph;
  for (const Json& input : json.at("inputs")) graph.inputs.push_back(ArgumentOf(input));
  for (const Json& node : json.at("nodes")) graph.nodes.push_back(NodeOf(node));
  for (const Json& output : json.at("outputs")) graph.outputs.push_back(ArgumentOf(output));
  return graph;
}

}  // namespace tensorferry::inference
