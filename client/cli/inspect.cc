#include <fmt/format.h>

#include <cstdio>

#include "base/status.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "payload/npy.h"
#include "tensorferry/client/verify.h"

namespace tensorferry::cli {
namespace {

// What a .npy says of itself, and whether it could be sent.
struct Inspection {
  std::string name;
  NpyHeader header;
  std::size_t nbytes = 0;  // Of the file.
  std::string dtype;       // Torch's name; empty if refused.
  absl::StatusOr<Digest> digest;
};

absl::StatusOr<Inspection> Inspect(const client::Array& array) {
  const std::string_view file(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  TENSORFERRY_ASSIGN_OR_RETURN(NpyHeader header, ParseNpyHeader(file));
  Inspection inspection{array.name, std::move(header), file.size(), "", client::LocalDigest(array)};
  if (!inspection.digest.ok()) return inspection;
  const auto source = ParseDescr(inspection.header.descr, array.dtype, Fidelity::kConvert);
  inspection.dtype = Info(source->dtype).name;
  return inspection;
}

std::vector<std::int64_t> ShapeOf(const Inspection& inspection) {
  return {inspection.header.shape.begin(), inspection.header.shape.end()};
}

// Why a server would refuse the array.
std::string_view ReasonOf(const Inspection& inspection) {
  return Info(DescribeError(inspection.digest.status()).reason).name;
}

std::vector<std::string> Row(const Inspection& inspection) {
  std::vector<std::string> row{
      OneLine(inspection.name), OneLine(fmt::format("{} {}", inspection.header.descr, ShapeText(ShapeOf(inspection)))),
      inspection.header.fortran_order ? "Fortran order" : "C order", SizeText(inspection.nbytes)};
  if (inspection.digest.ok()) {
    row.push_back("-> torch." + inspection.dtype);
    row.push_back("digest " + HexText(*inspection.digest));
  } else {
    row.push_back("refused");
    row.emplace_back(ReasonOf(inspection));
  }
  return row;
}

Json ToJson(const Inspection& inspection) {
  Json json = {{"name", inspection.name},          {"source_dtype", inspection.header.descr},
               {"shape", ShapeOf(inspection)},     {"fortran_order", inspection.header.fortran_order},
               {"file_nbytes", inspection.nbytes}, {"dtype", inspection.dtype}};
  if (inspection.digest.ok()) {
    json["digest"] = HexText(*inspection.digest);
  } else {
    json["reason"] = ReasonOf(inspection);
  }
  return json;
}

}  // namespace

ExitCode RunInspect(const Arguments& arguments) {
  ExitCode exit_code = ExitCode::kOk;
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  for (const std::string& path : arguments.files) {
    const absl::StatusOr<client::ArrayFile> file = LoadArrays(path, arguments.dtype);
    if (!file.ok()) {
      PrintError(fmt::format("{}: {}", path, ErrorText(file.status())));
      exit_code = ExitCode::kBadInput;
      continue;
    }
    for (const client::Array& array : file->arrays()) {
      const absl::StatusOr<Inspection> inspection = Inspect(array);
      const absl::Status status = inspection.ok() ? inspection->digest.status() : inspection.status();
      if (!status.ok()) {
        PrintError(fmt::format("{}: {}", path, ErrorText(status)));
        exit_code = ExitCode::kBadInput;
      }
      if (!inspection.ok()) continue;
      rows.push_back(Row(*inspection));
      json.push_back(ToJson(*inspection));
    }
  }
  fmt::print("{}", arguments.json ? JsonText(json) + "\n" : Align(rows));
  return exit_code;
}

}  // namespace tensorferry::cli
