#include <fmt/format.h>

#include <cstdio>

#include "base/status.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "outcome/outcome_json.h"
#include "payload/npy.h"
#include "tensorferry/client/verify.h"

namespace tensorferry::cli {
namespace {

// Inspection is what a file says about one array, and whether a server would take it.
struct Inspection {
  std::string name;
  std::string source_dtype;
  std::vector<std::int64_t> shape;
  bool fortran_order = false;
  std::size_t nbytes = 0;  // Bytes of the whole .npy file, or of a tensor's elements.
  std::string dtype;       // Torch's name; empty if refused.
  absl::StatusOr<Digest> digest;
};

absl::StatusOr<Inspection> InspectNpy(const client::Array& array) {
  const std::string_view file(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  TENSORFERRY_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(file));
  Inspection inspection{array.name,
                        header.descr,
                        {header.shape.begin(), header.shape.end()},
                        header.fortran_order,
                        file.size(),
                        "",
                        client::LocalDigest(array)};
  if (!inspection.digest.ok()) return inspection;
  const auto source = ParseDescr(header.descr, array.dtype, Fidelity::kConvert);
  inspection.dtype = Info(source->dtype).name;
  return inspection;
}

absl::StatusOr<Inspection> Inspect(const client::Array& array) {
  if (array.form == client::Array::Form::kNpy) return InspectNpy(array);
  TENSORFERRY_ASSIGN_OR_RETURN(const SourceDType source, ParseDType(array.dtype, Fidelity::kConvert));
  return Inspection{array.name,
                    array.dtype,
                    array.shape,
                    array.fortran_order,
                    array.bytes.size(),
                    std::string(Info(source.dtype).name),
                    client::LocalDigest(array)};
}

// ReasonOf says why a server would refuse the array.
std::string_view ReasonOf(const Inspection& inspection) {
  return Info(DescribeError(inspection.digest.status()).reason).name;
}

std::vector<std::string> Row(const Inspection& inspection) {
  std::vector<std::string> row{OneLine(inspection.name),
                               OneLine(fmt::format("{} {}", inspection.source_dtype, ShapeText(inspection.shape))),
                               inspection.fortran_order ? "Fortran order" : "C order", SizeText(inspection.nbytes)};
  if (inspection.digest.ok()) {
    row.push_back("-> torch." + inspection.dtype);
    row.push_back("digest " + outcome::HexText(*inspection.digest));
  } else {
    row.push_back("refused");
    row.emplace_back(ReasonOf(inspection));
  }
  return row;
}

Json ToJson(const Inspection& inspection) {
  Json json = {{"name", inspection.name},          {"source_dtype", inspection.source_dtype},
               {"shape", inspection.shape},        {"fortran_order", inspection.fortran_order},
               {"file_nbytes", inspection.nbytes}, {"dtype", inspection.dtype}};
  if (inspection.digest.ok()) {
    json["digest"] = outcome::HexText(*inspection.digest);
  } else {
    json["reason"] = ReasonOf(inspection);
  }
  return json;
}

// Report collects the rows of all files and the exit code.
class Report {
 public:
  explicit Report(const Arguments& arguments) : arguments_(arguments) {}

  void Add(const std::string& path) {
    absl::StatusOr<InputFile> file =
        InputFile::Open(path, {.name = arguments_.dtype, .only_file = arguments_.files.size() == 1});
    if (!file.ok()) return Fail(path, file.status());
    for (std::size_t i = 0; i < file->names().size(); ++i) AddArray(*file, file->Read(i));
    if (file->names().empty() && file->skipped().empty()) rows_.push_back({OneLine(path) + ": no arrays"});
    for (const std::string& name : file->skipped()) json_.push_back({{"name", name}, {"skipped", true}});
    if (const absl::Status status = file->CheckHasArrays(); !status.ok()) Fail(path, status);
  }

  ExitCode Print() const {
    fmt::print("{}", arguments_.json ? JsonText(json_) + "\n" : Align(rows_));
    return exit_code_;
  }

 private:
  void AddArray(const InputFile& file, const absl::StatusOr<client::Array>& array) {
    const std::string& path = file.path();
    if (!array.ok()) return Fail(path, array.status());
    const absl::StatusOr<Inspection> inspection = Inspect(*array);
    if (const absl::Status whole = file.CheckWhole(); !whole.ok()) return Fail(path, whole);
    if (!inspection.ok()) return Fail(path, inspection.status());
    if (!inspection->digest.ok()) Fail(path, inspection->digest.status());
    rows_.push_back(Row(*inspection));
    json_.push_back(ToJson(*inspection));
  }

  void Fail(const std::string& path, const absl::Status& status) {
    PrintError(fmt::format("{}: {}", path, ErrorText(status)));
    exit_code_ = ExitCode::kBadInput;
  }

  const Arguments& arguments_;
  std::vector<std::vector<std::string>> rows_;
  Json json_ = Json::array();
  ExitCode exit_code_ = ExitCode::kOk;
};

}  // namespace

ExitCode RunInspect(const Arguments& arguments) {
  Report report(arguments);
  for (const std::string& path : arguments.files) report.Add(path);
  return report.Print();
}

}  // namespace tensorferry::cli
