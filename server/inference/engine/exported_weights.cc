#include "inference/engine/exported_weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/engine/exported_schema.h"
#include "inference/engine/pickled_weights.h"
#include "inference/engine/refuse_model.h"
#include "inference/engine/zip_members.h"
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

using WeightsByName = std::map<std::string, at::Tensor>;

// Makes weights of what is said of them. `bytes_of` reads the member in which the elements of some of them are.
absl::Status MakeWeights(const std::map<std::string, ExportedWeight>& described, at::Device device,
                         const std::function<absl::StatusOr<c10::Storage>(const std::string&)>& bytes_of,
                         WeightsByName& weights) {
  std::map<std::string, c10::Storage> files;
  for (const auto& [name, weight] : described) {
    if (!files.contains(weight.member)) {
      TENSORFERRY_ASSIGN_OR_RETURN(c10::Storage bytes, bytes_of(weight.member));
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

absl::Status AddWeights(ExportedArchive& archive, const std::string& kind, at::Device device, WeightsByName& weights) {
  const std::string folder = fmt::format("data/{}/", kind);
  const std::string list = fmt::format("{}{}_{}_config.json", folder, archive.program(), kind);
  if (!archive.Has(list)) return absl::OkStatus();
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string json, archive.Text(list, kMaxProgramBytes));
  TENSORFERRY_ASSIGN_OR_RETURN(const auto described, ReadExportedWeights(json));
  return MakeWeights(
      described, device, [&](const std::string& member) { return archive.Bytes(folder + member, device); }, weights);
}

// TorchFile reads what torch.save wrote: an archive within the archive, with a pickle, and a member for each storage.
class TorchFile {
 public:
  static absl::StatusOr<TorchFile> Open(c10::Storage bytes) {
    const std::span content(static_cast<const std::byte*>(bytes.data()), bytes.nbytes());
    TENSORFERRY_ASSIGN_OR_RETURN(ZipMembers members, ZipMembers::OpenBytes(content));
    constexpr std::string_view kPickle = "/data.pkl";
    const std::vector<std::string> names = members.Names();
    const auto pickle = std::ranges::find_if(names, [&](const std::string& name) { return name.ends_with(kPickle); });
    if (pickle == names.end()) return RefuseModel("the pickled weights are of no form that torch.save writes");
    return TorchFile(std::move(bytes), std::move(members), pickle->substr(0, pickle->size() - kPickle.size() + 1));
  }

  absl::StatusOr<std::string> Text(const std::string& member) const {
    const std::size_t nbytes = members_.Size(folder_ + member).value_or(0);
    if (nbytes > kMaxProgramBytes) return RefuseModel(fmt::format("the member {} is too large", Quote(member)));
    std::string text(nbytes, '\0');
    TENSORFERRY_RETURN_IF_ERROR(members_.Read(folder_ + member, std::as_writable_bytes(std::span(text))));
    return text;
  }

  absl::StatusOr<c10::Storage> Storage(const std::string& member, at::Device device) const {
    const auto nbytes = members_.Size(folder_ + member);
    if (!nbytes) return RefuseModel(fmt::format("the pickled weights have no member {}", Quote(member)));
    return CatchTorch(Reason::kModelNotReady, [&]() -> absl::StatusOr<c10::Storage> {
      const at::Tensor bytes = at::empty({static_cast<std::int64_t>(*nbytes)}, at::kByte);
      TENSORFERRY_RETURN_IF_ERROR(
          members_.Read(folder_ + member, {static_cast<std::byte*>(bytes.mutable_data_ptr()), *nbytes}));
      return bytes.to(device).storage();
    });
  }

  bool is_big_endian() const {
    const auto order = Text("byteorder");
    return order.ok() && *order == "big";
  }

 private:
  TorchFile(c10::Storage bytes, ZipMembers members, std::string folder)
      : bytes_(std::move(bytes)), members_(std::move(members)), folder_(std::move(folder)) {}

  c10::Storage bytes_;  // What `members_` reads.
  ZipMembers members_;
  std::string folder_;
};

absl::Status AddPickledWeights(ExportedArchive& archive, const std::string& pickled, at::Device device,
                               WeightsByName& weights) {
  TENSORFERRY_ASSIGN_OR_RETURN(c10::Storage bytes, archive.Bytes(pickled, at::kCPU));
  TENSORFERRY_ASSIGN_OR_RETURN(const TorchFile file, TorchFile::Open(std::move(bytes)));
  if (file.is_big_endian()) return RefuseModel("the weights were pickled on a big-endian machine");
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string pickle, file.Text("data.pkl"));
  TENSORFERRY_ASSIGN_OR_RETURN(const auto described, ReadPickledWeights(pickle));
  return MakeWeights(
      described, device, [&](const std::string& member) { return file.Storage(member, device); }, weights);
}

}  // namespace

absl::StatusOr<std::map<std::string, at::Tensor>> LoadExportedWeights(ExportedArchive& archive, at::Device device) {
  WeightsByName weights;
  for (const std::string kind : {"weights", "constants"}) {
    const auto pickled = archive.Pickled(kind);
    TENSORFERRY_RETURN_IF_ERROR(pickled ? AddPickledWeights(archive, *pickled, device, weights)
                                        : AddWeights(archive, kind, device, weights));
  }
  return weights;
}

}  // namespace tensorferry::inference
