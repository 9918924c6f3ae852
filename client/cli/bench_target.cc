#include "cli/bench_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/text.h"
#include "payload/dtype_text.h"
#include "payload/shape.h"

namespace tensorferry::cli {
namespace {

absl::Status CannotMeasure(const std::string& message) { return absl::InvalidArgumentError(message); }

// Finds the version that the server would choose, the last that it lists as ready.
const client::ModelInfo* FindReady(const std::vector<client::ModelInfo>& models, const std::string& name) {
  const auto is_it = [&](const client::ModelInfo& model) {
    return model.name == name && model.state == client::ModelState::kReady;
  };
  const auto found = std::find_if(models.rbegin(), models.rend(), is_it);
  return found == models.rend() ? nullptr : &*found;
}

bool IsOpen(const client::TensorSpec& input) { return std::ranges::find(input.shape, -1) != input.shape.end(); }

// Returns the bytes of which every size is a multiple: those of the elements with 1 in each open dimension. Returns
// nothing if there is no such number, or it is 0.
std::optional<std::uint64_t> UnitOf(const client::TensorSpec& input, const std::string& dtype) {
  const auto source = ParseDType(dtype, Fidelity::kConvert);
  if (input.dtype.empty() || !source.ok()) return std::nullopt;
  std::vector<std::int64_t> shape = input.shape;
  std::ranges::replace(shape, -1, 1);
  const auto nbytes = ByteSize(shape, Info(source->dtype).itemsize);
  return nbytes.ok() && *nbytes > 0 ? std::optional<std::uint64_t>(*nbytes) : std::nullopt;
}

// Makes the sizes fit that are not the user's own, and checks those that are.
absl::Status FitSizes(const client::TensorSpec& input, Arguments& arguments) {
  const std::optional<std::uint64_t> unit = UnitOf(input, arguments.dtype);
  if (!unit) return absl::OkStatus();
  std::vector<std::uint64_t>& sizes = arguments.bench.sizes;
  if (!arguments.bench.sizes_given) {
    if (!IsOpen(input)) sizes = {*unit};
    for (std::uint64_t& size : sizes) size = std::max(*unit, size - size % *unit);
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    return absl::OkStatus();
  }
  for (const std::uint64_t size : sizes) {
    if (IsOpen(input) ? size % *unit == 0 : size == *unit) continue;
    return CannotMeasure(fmt::format("--size {}: model {} takes {} of shape {}, so that its sizes are {}{} B",
                                     SizeText(size), Quote(arguments.model), arguments.dtype,
                                     tensorferry::ToText(input.shape), IsOpen(input) ? "multiples of " : "", *unit));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchTarget> MakeBenchTarget(const client::ServerInfo& info,
                                            const std::vector<client::ModelInfo>& models, Arguments& arguments) {
  BenchTarget target{.chunk_bytes = std::max<std::uint64_t>(1, info.recommended_chunk_bytes), .input = {}};
  if (const client::ModelInfo* const model = FindReady(models, arguments.model)) {
    if (!arguments.inputs.empty()) {
      if (model->inputs.size() == 1) target.input = model->inputs.front();
      return target;
    }
    if (model->inputs.size() > 1) {
      return CannotMeasure(fmt::format("model {} has {} inputs, and bench sends one array; bind files with --input",
                                       Quote(model->name), model->inputs.size()));
    }
    if (!model->inputs.empty()) target.input = model->inputs.front();
    const std::string& dtype = target.input.dtype;
    if (!dtype.empty() && !ParseDType(dtype, Fidelity::kConvert).ok()) {
      return CannotMeasure(fmt::format("model {} takes {}, of which bench has no arrays", Quote(model->name), dtype));
    }
    if (arguments.dtype.empty()) arguments.dtype = dtype;
  }
  if (!arguments.inputs.empty()) return target;
  if (arguments.dtype.empty()) arguments.dtype = "float32";
  if (const absl::Status fits = FitSizes(target.input, arguments); !fits.ok()) return fits;
  return target;
}

}  // namespace tensorferry::cli
