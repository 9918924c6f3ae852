#include "inference/engine/aoti_package.h"

#include <ATen/cpu/Utils.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <torch/version.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "base/status.h"
#include "payload/dtype.h"

namespace tensorferry::inference {
namespace {

using Json = nlohmann::json;

// InstructionSet maps the name that Inductor gives to an instruction set to the capability that torch finds in the
// processor. An empty capability: every machine of the package's kind has it.
struct InstructionSet {
  std::string_view word;
  std::string_view capability;
};
constexpr auto kInstructionSets = std::to_array<InstructionSet>({
    {"AVX2", "avx2"},
    {"AVX512", "avx512_f"},
    {"AVX512", "avx512_bw"},
    {"AVX512", "avx512_dq"},
    {"AVX512", "avx512_vl"},
    {"AVX512_VNNI", "avx512_vnni"},
    {"AMX_TILE", "amx_tile"},
    {"ASIMD", ""},
    {"NEON", ""},
    {"VSX", ""},
    {"ZVECTOR", ""},
    {"INVALID_VEC_ISA", ""},
});

std::string Value(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

absl::Status WrongTarget(const std::string& wanted, const std::string& here) {
  return MakeError(
      Reason::kModelNotReady,
      fmt::format("the package was compiled for {}, and this machine {}; compile it on a machine like this "
                  "one, or with tensorferry.export(portable=True)",
                  wanted, here),
      {.expected = wanted, .actual = here});
}

std::string MachineHere() {
  utsname names{};
  return uname(&names) == 0 ? names.machine : "";
}

std::vector<TensorSpec> ReadSpecs(const Json& list) {
  std::vector<TensorSpec> specs;
  for (const Json& item : list) {
    specs.push_back({.name = item.at("name"), .dtype = item.at("dtype"), .shape = item.at("shape")});
    if (!DTypeByName(specs.back().dtype)) throw std::invalid_argument("dtype " + specs.back().dtype);
  }
  return specs;
}

// Returns whether the generated source is that of a library that does not hold its weights, although it has weights
// that it does not compute itself. The last argument of the base class's constructor says whether the library holds
// them.
bool LacksWeights(std::string_view source) {
  const std::size_t call = source.find(": AOTInductorModelBase(");
  if (call == std::string_view::npos) return false;
  const std::string_view arguments = source.substr(call, source.find('{', call) - call);
  const std::size_t last = arguments.rfind(',');
  if (last == std::string_view::npos || arguments.find("false", last) == std::string_view::npos) return false;
  return source.find(".from_folded = false;") != std::string_view::npos;
}

bool ProcessorHas(std::string_view capability) {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto found = capabilities.find(std::string(capability));
  return found != capabilities.end() && found->second.isBool() && found->second.toBool();
}

absl::Status CheckInstructionSet(const std::string& word) {
  bool is_known = false;
  for (const auto& [name, capability] : kInstructionSets) {
    if (name != word) continue;
    is_known = true;
    if (!capability.empty() && !ProcessorHas(capability)) {
      return WrongTarget("a processor with " + word, "has none");
    }
  }
  if (!is_known) return WrongTarget("a processor with " + Quote(word), "is not known to have it");
  if (word == "AMX_TILE") at::cpu::init_amx();  // The system lets a process use AMX only if the process asks for it.
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackageSignature> ReadPackageSignature(const std::string& json) {
  if (json.empty()) return PackageSignature{};
  try {
    const Json parsed = Json::parse(json);
    return PackageSignature{.inputs = ReadSpecs(parsed.at("inputs")),
                            .outputs = ReadSpecs(parsed.at("outputs")),
                            .processor = parsed.value("processor", std::vector<std::string>{}),
                            .torch = parsed.value("torch", "")};
  } catch (const std::exception& error) {  // The JSON library and the check of the dtype throw.
    return MakeError(Reason::kModelNotReady, "the package's metadata under the key tensorferry cannot be read",
                     {.log_text = error.what()});
  }
}

bool IsOtherTorch(std::string_view version) {
  return !version.empty() && version.substr(0, version.find('+')) != TORCH_VERSION;
}

absl::Status CheckTarget(const std::map<std::string, std::string>& metadata, bool on_cuda) {
  const std::string device = Value(metadata, "AOTI_DEVICE_KEY");
  const std::string wanted_device = on_cuda ? "cuda" : "cpu";
  if (!device.empty() && device != wanted_device) {
    return MakeError(
        Reason::kModelNotReady,
        fmt::format("the package was compiled for {}, and is to run on {}: --device or instance_group says "
                    "where",
                    device, wanted_device),
        {.expected = device, .actual = wanted_device});
  }
  const std::string machine = Value(metadata, "AOTI_MACHINE");
  if (const std::string here = MachineHere(); !machine.empty() && machine != here) {
    return WrongTarget(machine, "is " + here);
  }
  if (on_cuda) return absl::OkStatus();
  std::istringstream words(Value(metadata, "AOTI_CPU_ISA"));
  for (std::string word; words >> word;) TENSORFERRY_RETURN_IF_ERROR(CheckInstructionSet(word));
  return absl::OkStatus();
}

absl::Status CheckWeights(const PackageWeights& weights) {
  bool complete = weights.has_blob || !LacksWeights(weights.source);
  if (!weights.beside.empty()) {
    const Json named = Json::parse(weights.beside, /*cb=*/nullptr, /*allow_exceptions=*/false);
    complete = named.is_object() && named.empty();
  }
  if (complete) return absl::OkStatus();
  return MakeError(Reason::kModelNotReady,
                   "the package's weights are not in its library: compile it with package_constants_in_so, or with "
                   "package_constants_on_disk_format \"binary_blob\"");
}

absl::Status CheckProcessor(const std::vector<std::string>& capabilities) {
  for (const std::string& capability : capabilities) {
    if (!ProcessorHas(capability)) return WrongTarget("a processor with " + Quote(capability), "has none");
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
