#include "inference/engine/engine.h"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/engine/aoti_model.h"
#include "inference/engine/archive_check.h"
#include "inference/engine/exported_archive.h"
#include "inference/engine/exported_model.h"
#include "inference/engine/torchscript_model.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

enum class Format { kTorchScript, kAotiPackage, kExportedProgram, kUnknown };

// Recognises the format by `records`, the names of the archive's members without the archive's own folder.
Format FormatOf(const std::vector<std::string>& records) {
  const auto has = [&](std::string_view prefix) {
    return std::ranges::any_of(records, [&](const std::string& name) { return name.starts_with(prefix); });
  };
  if (has("data/aotinductor/")) return Format::kAotiPackage;
  if (has("models/")) return Format::kExportedProgram;
  if (has("code/") || has("constants.pkl")) return Format::kTorchScript;
  return Format::kUnknown;
}

// Makes one engine that all executors share.
absl::StatusOr<Engines> Shared(absl::StatusOr<std::shared_ptr<Model>> model, const EngineOptions& options) {
  if (!model.ok()) return std::move(model).status();
  return Engines{.models = std::vector(static_cast<std::size_t>(options.runs_at_once), *std::move(model))};
}

}  // namespace

absl::StatusOr<Engines> LoadEngines(const ModelFile& file, const ModelConfig& config, const EngineOptions& options) {
  file.BeginSha256();
  TENSORFERRY_RETURN_IF_ERROR(CheckArchive(file));
  if (IsOldExportedProgram(file)) return Shared(LoadExported(file, config, options), options);
  const auto records = CatchTorch(Reason::kModelNotReady,
                                  [&] { return caffe2::serialize::PyTorchStreamReader(file.path()).getAllRecords(); });
  if (!records.ok()) {
    return WithMessage("the archive is whole, but torch cannot read it: " + DescribeError(records.status()).message,
                       records.status());
  }
  switch (FormatOf(*records)) {
    case Format::kTorchScript: return LoadTorchScript(file, config, options);
    case Format::kAotiPackage: return LoadAotiPackage(file, config, options);
    case Format::kExportedProgram: return Shared(LoadExported(file, config, options), options);
    case Format::kUnknown: break;
  }
  return MakeError(Reason::kModelNotReady,
                   "the file is neither TorchScript (torch.jit.save) nor a package of AOTInductor's nor a program of "
                   "torch.export.save; files of torch.save hold code of Python's, which this server does not run");
}

}  // namespace tensorferry::inference
