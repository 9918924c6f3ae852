#include "cli/bench_inputs.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/status.h"
#include "cli/input.h"
#include "cli/outcome.h"
#include "payload/npy.h"

namespace tensorferry::cli {
namespace {

std::uint64_t ElementBytes(const client::Array& array) {
  if (array.form != client::Array::Form::kNpy) return array.bytes.size();
  const std::string_view file(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  const absl::StatusOr<NpyHeader> header = ParseNpyHeader(file);
  return file.size() - (header.ok() ? header->data_offset : 0);  // The server refuses what is not ok.
}

// Adds the arrays of one file.
absl::Status AddFile(const NamedFile& input, const NamedDType& dtype, BenchLoad& load) {
  TENSORFERRY_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(input.file, dtype));
  TENSORFERRY_RETURN_IF_ERROR(file.CheckHasArrays());
  if (file.names().empty()) return absl::InvalidArgumentError("the file has no arrays that could be sent");
  if (!input.name.empty()) TENSORFERRY_RETURN_IF_ERROR(file.CheckHasOneArray(input.name));
  for (std::size_t i = 0; i < file.names().size(); ++i) {
    TENSORFERRY_ASSIGN_OR_RETURN(client::Array array, file.Read(i));
    if (!input.name.empty()) array.name = input.name;
    load.nbytes += ElementBytes(array);
    load.arrays.push_back(std::move(array));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchLoad> ReadBenchInputs(const Arguments& arguments, const client::TensorSpec& input) {
  BenchLoad load;
  const NamedDType dtype{.name = arguments.dtype, .only_file = arguments.inputs.size() == 1};
  for (const NamedFile& each : arguments.inputs) {
    const absl::Status added = AddFile(each, dtype, load);
    if (!added.ok()) return absl::Status(added.code(), fmt::format("{}: {}", each.file, ErrorText(added)));
  }
  const bool alone = load.arrays.size() == 1 && arguments.inputs.front().name.empty();
  if (alone && !input.name.empty()) load.arrays.front().name = input.name;
  return load;
}

}  // namespace tensorferry::cli
