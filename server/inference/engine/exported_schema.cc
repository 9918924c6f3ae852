#include "inference/engine/exported_schema.h"

#include <fmt/format.h>

#include <utility>

#include "base/status.h"
#include "inference/engine/exported_json.h"

namespace tensorferry::inference {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kSchemaVersion = 8;  // Its minor versions add fields that may be left out.

// Calls `read`, and turns what it throws into a status.
template <typename Read>
auto Caught(std::string_view what, Read read) -> absl::StatusOr<decltype(read())> {
  std::string fault;
  try {
    return read();
  } catch (const WrongProgram& error) {
    fault = error.what();
  } catch (const Json::parse_error& error) {
    return MakeError(Reason::kModelNotReady, fmt::format("{} is no JSON, from byte {} on", what, error.byte),
                     {.log_text = error.what()});
  } catch (const std::exception& error) {  // The JSON library's, and torch's for a device that it does not know.
    return MakeError(Reason::kModelNotReady, fmt::format("{} is not of the form that torch.export.save writes", what),
                     {.log_text = error.what()});
  }
  return MakeError(Reason::kModelNotReady, fmt::format("{} cannot be read: {}", what, fault));
}

void CheckVersion(const Json& program) {
  const Json& version = program.at("schema_version");
  const std::int64_t major = IntOf(version.at("major"));
  if (major == kSchemaVersion) return;
  throw WrongProgram(
      fmt::format("its schema version is {}.{}, and this server reads {}.x: export it with another torch "
                  "({} wrote it)",
                  major, IntOf(version.at("minor")), kSchemaVersion, Quote(program.value("torch_version", ""))));
}

// Returns a size as text: a number or an expression.
std::string SizeOf(const Json& json) {
  const auto& [kind, value] = UnionOf(json);
  return kind == "as_int" ? fmt::to_string(IntOf(value)) : value.at("expr_str").get<std::string>();
}

ExportedTensor TensorMetaOf(const Json& json) {
  ExportedTensor tensor{.dtype = ScalarTypeOf(json.at("dtype")), .sizes = {}};
  for (const Json& size : json.at("sizes")) tensor.sizes.push_back(SizeOf(size));
  if (LayoutOf(json.at("layout")) != c10::Layout::Strided) throw WrongProgram("an input or a weight is not dense");
  return tensor;
}

std::int64_t FixedOf(const Json& json) { return IntOf(json.at("as_int")); }

ExportedWeight WeightOf(const Json& json) {
  if (json.at("use_pickle").get<bool>()) throw WrongProgram("it is pickled, and this server unpickles nothing");
  const Json& meta = json.at("tensor_meta");
  ExportedWeight weight{.member = json.at("path_name").get<std::string>(),
                        .dtype = TensorMetaOf(meta).dtype,
                        .sizes = {},
                        .strides = {},
                        .offset = FixedOf(meta.at("storage_offset")),
                        .requires_grad = meta.at("requires_grad").get<bool>()};
  for (const Json& size : meta.at("sizes")) weight.sizes.push_back(FixedOf(size));
  for (const Json& stride : meta.at("strides")) weight.strides.push_back(FixedOf(stride));
  return weight;
}

// Returns the name of the value that a spec speaks of. `arg` is an argument, or a tensor without the union around it.
std::string NameIn(const Json& arg) {
  if (arg.contains("name")) return arg.at("name").get<std::string>();
  const ExportedArgument argument = ArgumentOf(arg);
  return argument.one() == nullptr ? "" : argument.one()->name;
}

ExportedSpec SpecOf(const Json& json) {
  const auto& [kind, value] = UnionOf(json);
  ExportedSpec spec{.kind = kind, .name = {}, .target = {}};
  if (kind == "constant_input") return spec;
  spec.name = NameIn(value.at("arg"));
  for (const char* target : {"parameter_name", "buffer_name", "tensor_constant_name", "user_input_name"}) {
    if (value.contains(target)) spec.target = value.at(target).get<std::string>();
  }
  return spec;
}

ExportedRange RangeOf(const Json& json) {
  ExportedRange range;
  const Json min = json.value("min_val", Json()), max = json.value("max_val", Json());
  if (!min.is_null()) range.min = IntOf(min);
  if (!max.is_null()) range.max = IntOf(max);
  return range;
}

void ReadSignature(const Json& module, ExportedFile& file) {
  const Json& signature = module.at("signature");
  for (const Json& spec : signature.at("input_specs")) file.inputs.push_back(SpecOf(spec));
  for (const Json& spec : signature.at("output_specs")) file.outputs.push_back(SpecOf(spec));
  for (const Json& entry : module.at("module_call_graph")) {
    if (entry.at("fqn") != "" || entry.value("signature", Json()).is_null()) continue;
    file.in_spec = entry.at("signature").at("in_spec").get<std::string>();
    file.out_spec = entry.at("signature").at("out_spec").get<std::string>();
  }
}

// Reads what the graph's metadata say of the values that it takes.
void ReadInputs(const Json& graph, ExportedFile& file) {
  const Json& tensors = graph.at("tensor_values");
  const Json& numbers = graph.at("sym_int_values");
  for (const ExportedArgument& input : file.graph.inputs) {
    const ExportedValue* const value = input.one();
    if (value == nullptr || value->name.empty()) continue;
    if (input.kind == "as_tensor") file.tensors.emplace(value->name, TensorMetaOf(tensors.at(value->name)));
    if (input.kind == "as_sym_int") file.numbers.emplace(value->name, SizeOf(numbers.at(value->name)));
  }
}

ExportedFile FileOf(const Json& program) {
  CheckVersion(program);
  const Json& module = program.at("graph_module");
  ExportedFile file;
  file.graph = GraphOf(module.at("graph"));
  ReadInputs(module.at("graph"), file);
  ReadSignature(module, file);
  if (file.inputs.size() != file.graph.inputs.size() || file.outputs.size() != file.graph.outputs.size()) {
    throw WrongProgram("its signature has another number of inputs or outputs than its graph");
  }
  for (const auto& [name, range] : program.at("range_constraints").items()) file.ranges.emplace(name, RangeOf(range));
  for (const Json& guard : program.value("guards_code", Json::array())) file.guards.push_back(guard.get<std::string>());
  return file;
}

}  // namespace

absl::StatusOr<ExportedFile> ReadExportedFile(std::string_view json) {
  return Caught("the program in the archive", [&] { return FileOf(ParseBounded(json)); });
}

absl::StatusOr<std::map<std::string, ExportedWeight>> ReadExportedWeights(std::string_view json) {
  return Caught("the list of weights in the archive", [&] {
    std::map<std::string, ExportedWeight> weights;
    const Json parsed = ParseBounded(json);
    for (const auto& [name, weight] : parsed.at("config").items()) {
      try {
        weights.emplace(name, WeightOf(weight));
      } catch (const WrongProgram& error) {
        throw WrongProgram(fmt::format("weight {}: {}", Quote(name), error.what()));
      }
    }
    return weights;
  });
}

}  // namespace tensorferry::inference
