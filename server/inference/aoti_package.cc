#include "inference/aoti_package.h"

#include <ATen/cpu/Utils.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "base/status.h"
#include "payload/dtype.h"

namespace tensorferry::inference {
namespace {

using Json = nlohmann::json;

// Instruction sets as Inductor writes them, and as torch finds them in the processor.
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

}  // namespace

absl::StatusOr<PackageSignature> ReadPackageSignature(const std::string& json) {
  if (json.empty()) return PackageSignature{};
  try {
    const Json parsed = Json::parse(json);
    return PackageSignature{.inputs = ReadSpecs(parsed.at("inputs")), .outputs = ReadSpecs(parsed.at("outputs"))};
  } catch (const std::exception& error) {  // What the JSON library and the dtype check throw.
    return MakeError(Reason::kModelNotReady, "the package's metadata under the key tensorferry cannot be read",
                     {.log_text = error.what()});
  }
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
  const auto capabilities = at::cpu::get_cpu_capabilities();
  std::istringstream words(Value(metadata, "AOTI_CPU_ISA"));
  for (std::string word; words >> word;) {
    for (const auto& [name, capability] : kInstructionSets) {
      if (name != word) continue;
      const auto found = capabilities.find(std::string(capability));
      if (found == capabilities.end() || !found->second.isBool() || !found->second.toBool()) {
        return WrongTarget("a processor with " + word, "has none");
      }
      if (word == "AMX_TILE") at::cpu::init_amx();  // The system grants its use to who asks.
    }
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
