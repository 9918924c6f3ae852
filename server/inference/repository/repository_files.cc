#include "inference/repository/repository_files.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <system_error>
#include <utility>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

fs::path Canonical(const fs::path& folder) {
  std::error_code error;
  const fs::path canonical = fs::canonical(folder, error);
  return error ? folder : canonical;
}

}  // namespace

absl::Status NoModel(const std::string& name) {
  return MakeError(Reason::kModelNotFound, fmt::format("the model repository has no model {}", Quote(name)),
                   {.field = "model_name", .actual = Quote(name)});
}

RepositoryFiles::RepositoryFiles(const fs::path& folder, std::vector<NamedFile> files)
    : root_(folder.empty() ? fs::path() : Canonical(folder)), files_(std::move(files)) {}

absl::StatusOr<std::optional<ModelSource>> RepositoryFiles::Find(const std::string& name) {
  if (name.empty()) return std::nullopt;
  TENSORFERRY_ASSIGN_OR_RETURN(auto found, Look(name));
  auto source = found.extract(name);
  return source.empty() ? std::nullopt : std::optional(std::move(source.mapped()));
}

// Looks for the models with this name; with an empty one, for all.
absl::StatusOr<std::map<std::string, ModelSource>> RepositoryFiles::Look(const std::string& name) {
  std::map<std::string, ModelSource> sources;
  if (!root_.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(RepositoryContent content, ScanRepository(root_, name));
    sources = std::move(content.models);
    const MutexLock lock(mutex_);
    for (std::string& line : content.left_out) {
      const auto [told, is_new] = left_out_.insert(std::move(line));
      if (is_new) spdlog::warn("model repository: {}: left out", *told);
    }
  }
  for (const NamedFile& file : files_) {
    if (!name.empty() && file.name != name) continue;
    const auto [other, is_new] = sources.try_emplace(file.name, SourceOfFile(file.name, file.file));
    if (!is_new) other->second.problem = "the repository has a model of this name, and a single file was given for it";
  }
  return sources;
}

}  // namespace tensorferry::inference
