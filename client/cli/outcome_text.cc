#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "base/text.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "outcome/outcome_json.h"
#include "tensorferry/client/error.h"

namespace tensorferry::cli {
namespace {

using client::Adjustment;
using client::Tensor;
using client::Verdict;

std::string VerdictText(bool equal) {
  return Colored(equal ? Color::kGreen : Color::kRed, equal ? "equal" : "DIFFERENT");
}

std::string_view AdjustmentText(Adjustment adjustment) {
  switch (adjustment) {
    case Adjustment::kByteOrderSwapped: return "swapped";
    case Adjustment::kBoolNormalized: return "bools normalised";
  }
  __builtin_unreachable();
}

// Row writes `x  >f4 (1000,) -> torch.float32  dtype equal  digest equal 3f9a0b12…  swapped`.
std::vector<std::string> Row(const Tensor& tensor, const Verdict& verdict) {
  const client::Receipt receipt = tensor.receipt.value_or(client::Receipt{});
  std::vector<std::string> row{
      OneLine(tensor.name),
      OneLine(fmt::format("{} {}", receipt.source_dtype, ShapeText(tensor.shape))),
      OneLine(fmt::format("-> torch.{}", tensor.dtype)),
      "dtype " + VerdictText(verdict.dtype_equal),
      fmt::format("digest {} {}", VerdictText(verdict.digest_equal),
                  receipt.digest ? outcome::HexText(*receipt.digest).substr(0, 8) + "…" : "(none)"),
  };
  if (!verdict.shape_equal) row.push_back("shape " + VerdictText(false));
  for (const Adjustment adjustment : receipt.adjustments) row.emplace_back(AdjustmentText(adjustment));
  return row;
}

}  // namespace

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

std::string ErrorText(const absl::Status& error) {
  const client::Error described = client::ToError(error);
  const std::string cause =
      described.reason.empty() ? std::string(absl::StatusCodeToString(described.code)) : described.reason;
  return OneLine(fmt::format("{}: {}", cause, described.message));
}

std::string ToText(const Outcome& outcome) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < outcome.response.tensors.size(); ++i) {
    rows.push_back(Row(outcome.response.tensors[i], outcome.verdicts[i]));
  }
  std::vector<std::vector<std::string>> outputs;
  for (const Tensor& output : outcome.response.outputs) {
    outputs.push_back({OneLine(output.name), OneLine(fmt::format("torch.{}", output.dtype)), ShapeText(output.shape),
                       OneLine(fmt::format("from {}", outcome.response.model_name))});
  }
  return Align(rows) + Align(outputs);
}

}  // namespace tensorferry::cli
