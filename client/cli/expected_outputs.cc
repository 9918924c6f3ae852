#include "cli/expected_outputs.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "payload/dtype_text.h"
#include "payload/npy.h"
#include "payload/shape.h"

namespace tensorferry::cli {
namespace {

constexpr std::int64_t kOpen = -1;  // A dimension of any size.
constexpr std::uint64_t kAlignment = 64;

bool BeginsOpen(const client::TensorSpec& spec) { return !spec.shape.empty() && spec.shape.front() == kOpen; }

// Returns the first dimension of an array. Nothing: it has none, or is no array, which the server will say.
std::optional<std::int64_t> RowsOf(const client::Array& array) {
  if (array.form != client::Array::Form::kNpy) {
    return array.shape.empty() ? std::nullopt : std::optional(array.shape.front());
  }
  const absl::StatusOr<NpyHeader> header =
      ParseNpyHeader({reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()});
  return header.ok() && !header->shape.empty() ? std::optional(header->shape.front()) : std::nullopt;
}

// Returns the bytes of an output, if the model says how many it has when it is run on so many rows.
std::optional<std::uint64_t> BytesOf(const client::TensorSpec& output, std::optional<std::int64_t> rows) {
  const auto source = ParseDType(output.dtype, Fidelity::kConvert);
  std::vector<std::int64_t> shape = output.shape;
  if (rows && BeginsOpen(output)) shape.front() = *rows;
  const auto nbytes = source.ok() ? ByteSize(shape, Info(source->dtype).itemsize) : source.status();
  if (!nbytes.ok() || *nbytes > std::uint64_t{1} << 62) return std::nullopt;
  return *nbytes;
}

}  // namespace

std::uint64_t ExpectedOutputBytes(std::span<const client::ModelInfo> versions, std::span<const client::Array> arrays) {
  const auto ready = std::find_if(versions.rbegin(), versions.rend(), [](const client::ModelInfo& version) {
    return version.state == client::ModelState::kReady;
  });
  if (ready == versions.rend()) return 0;
  const bool has_rows = !arrays.empty() && std::ranges::all_of(ready->inputs, BeginsOpen);
  const std::optional<std::int64_t> rows = has_rows ? RowsOf(arrays.front()) : std::nullopt;
  std::uint64_t sum = 0;
  for (const client::TensorSpec& output : ready->outputs) {
    const std::optional<std::uint64_t> nbytes = BytesOf(output, rows);
    if (!nbytes || __builtin_add_overflow(sum, (*nbytes + kAlignment - 1) / kAlignment * kAlignment, &sum)) return 0;
  }
  return sum;
}

}  // namespace tensorferry::cli
