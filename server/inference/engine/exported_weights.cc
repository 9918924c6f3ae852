#include "inference/engine/exported_weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/status.h"
#include "inference/engine/exported_schema.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

// Returns how many elements a weight reaches over in its file, from the first on; nothing if that does not fit 64 bits,
// or if it has sizes that no tensor has.
std::optional<std::int64_t> Reach(const ExportedWeight& weight) {
  std::int64_t last = weight.offset;
  if (weight.sizes.size() != weight.strides.size() || weight.offset < 0) return std::nullopt;
  bool is_empty = false;
  for (std::size_t i = 0; i < weight.sizes.size(); ++i) {
    std::int64_t step = 0;
    if (weight.sizes[i] < 0 || weight.strides[i] < 0) return std::nullopt;
    is_empty = is_empty || weight.sizes[i] == 0;
    if (weight.sizes[i] == 0) continue;
    if (__builtin_mul_overflow(weight.sizes[i] - 1, weight.strides[i], &step)) return std::nullopt;
    if (__builtin_add_overflow(last, step, &last)) return std::nullopt;
  }
  if (is_empty) return 0;
  return __builtin_add_overflow(last, 1, &last) ? std::nullopt : std::optional(last);
}

absl::StatusOr<at::Tensor> TensorIn(const c10::Storage& bytes, const ExportedWeight& weight, at::Device device) {
  const auto options = at::TensorOptions(weight.dtype).device(device);
  const auto reach = Reach(weight);
  const std::int64_t itemsize = static_cast<std::int64_t>(c10::elementSize(weight.dtype));
  if (!reach || *reach > static_cast<std::int64_t>(bytes.nbytes()) / itemsize) {
    return MakeError(Reason::kModelNotReady, "its elements lie outside of its file");
  }
  const at::Tensor tensor = *reach == 0
                                ? at::zeros(weight.sizes, options)
                                : at::empty({0}, options).set_(bytes, weight.offset, weight.sizes, weight.strides);
  // Operators such as matmul choose another way to the same result, with other last bits, for weights with gradients.
  return tensor.set_requires_grad(weight.requires_grad);
}

absl::Status AddWeights(ExportedArchive& archive, const std::string& folder, const std::string& list, at::Device device,
                        std::map<std::string, at::Tensor>& weights) {
  if (!archive.Has(list)) return absl::OkStatus();
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string json, archive.Text(list, kMaxProgramBytes));
  TENSORFERRY_ASSIGN_OR_RETURN(const auto described, ReadExportedWeights(json));
  std::map<std::string, c10::Storage> files;
  for (const auto& [name, weight] : described) {
    if (!files.contains(weight.member)) {
      TENSORFERRY_ASSIGN_OR_RETURN(c10::Storage bytes, archive.Bytes(folder + weight.member, device));
      files.emplace(weight.member, std::move(bytes));
    }
    auto tensor = CatchTorch(Reason::kModelNotReady,
                             [&, &entry = weight] { return TensorIn(files.at(entry.member), entry, device); });
    if (!tensor.ok()) {
      return WithMessage(fmt::format("weight {}: {}", Quote(name), DescribeError(tensor.status()).message),
                         tensor.status());
    }
    weights.emplace(name, *std::move(tensor));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::map<std::string, at::Tensor>> LoadExportedWeights(ExportedArchive& archive, at::Device device) {
  std::map<std::string, at::Tensor> weights;
  for (const std::string_view kind : {"weights", "constants"}) {
    const std::string folder = fmt::format("data/{}/", kind);
    TENSORFERRY_RETURN_IF_ERROR(AddWeights(
        archive, folder, fmt::format("{}{}_{}_config.json", folder, archive.program(), kind), device, weights));
  }
  return weights;
}

}  // namespace tensorferry::inference
