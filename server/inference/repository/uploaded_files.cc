#include "inference/repository/uploaded_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file_name.h"
#include "base/status.h"
#include "inference/engine/temporary_folder.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

// Returns whether `path` is "VERSION/FILE", and neither name can lead to another folder.
bool IsPath(std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view version = path.substr(0, slash);
  const bool is_number = std::ranges::all_of(version, [](char c) { return c >= '0' && c <= '9'; });
  return is_number && !version.empty() && version.size() < 19 && IsPlainFileName(path.substr(slash + 1));
}

// Checks that a model of the repository may have this name: it must not begin with a dot.
absl::Status CheckName(const std::string& model) {
  if (IsPlainFileName(model) && !model.starts_with('.')) return absl::OkStatus();
  return MakeError(Reason::kModelNotReady,
                   fmt::format("{} is no model's name: it may have letters, digits, '.', '_' and '-', at most {}, and "
                               "does not begin with a dot",
                               Quote(model), kMaxFileNameBytes),
                   {.field = "model_name", .actual = Quote(model)});
}

absl::Status CannotWrite(const std::string& why) {
  return MakeError(Reason::kModelNotReady, "the files of the load cannot be written", {.log_text = why});
}

}  // namespace

UploadedFiles::~UploadedFiles() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

absl::StatusOr<ModelSource> UploadedFiles::Expected(const std::string& model,
                                                    const std::map<std::string, std::string>& files) {
  TENSORFERRY_RETURN_IF_ERROR(CheckName(model));
  ModelSource source{.name = model};
  for (const auto& [path, content] : files) {
    if (!IsPath(path)) {
      return MakeError(Reason::kModelNotReady,
                       fmt::format("file {}: expected VERSION/FILE, such as '1/model.pt'", Quote(path)));
    }
    if (const std::int64_t version = std::stoll(path); version > 0) source.versions[version] = {};
  }
  return source;
}

absl::StatusOr<UploadedFiles> UploadedFiles::Write(const std::string& model,
                                                   const std::map<std::string, std::string>& files) {
  TENSORFERRY_RETURN_IF_ERROR(Expected(model, files).status());
  FileSizes sizes;
  for (const auto& [path, content] : files) sizes.Add(content.size());
  TENSORFERRY_RETURN_IF_ERROR(CheckTemporaryFolder(sizes, TemporaryUse::kRead));
  std::error_code error;
  std::string folder = fs::temp_directory_path(error) / "upload-XXXXXX";
  if (error || mkdtemp(folder.data()) == nullptr) return CannotWrite("no folder below TMPDIR");
  UploadedFiles uploaded{fs::path(folder)};
  for (const auto& [path, content] : files) {
    const fs::path file = uploaded.folder_ / model / path;
    fs::create_directories(file.parent_path(), error);
    std::ofstream stream(file, std::ios::binary);
    stream.write(content.data(), static_cast<std::streamsize>(content.size()));
    stream.close();
    if (!stream) return CannotWrite(file.string());
  }
  const fs::path root = fs::canonical(uploaded.folder_, error);
  if (error) return CannotWrite(folder);
  TENSORFERRY_ASSIGN_OR_RETURN(RepositoryContent written, ScanRepository(root));
  const auto source = written.models.find(model);
  if (source == written.models.end()) return CannotWrite((root / model).string());
  uploaded.source_ = std::move(source->second);
  return uploaded;
}

}  // namespace tensorferry::inference
