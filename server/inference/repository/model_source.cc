#include "inference/repository/model_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <vector>

#include "base/file_name.h"
#include "base/status.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFileNames{"model.pt", "model.pt2"};
constexpr char kConfigName[] = "config.pbtxt";
constexpr char kWarmUpFolder[] = "warmup";

std::vector<fs::path> SortedEntries(const fs::path& folder, std::error_code& error) {
  std::vector<fs::path> entries;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    entries.push_back(entry->path());
  }
  std::ranges::sort(entries);
  return entries;
}

std::optional<std::int64_t> VersionOf(const std::string& name) {
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  const bool whole = error == std::errc() && end == name.data() + name.size();
  return whole && version > 0 && name.front() != '0' ? std::optional(version) : std::nullopt;
}

// Returns a text that changes when the file changes, or when another file takes its place.
std::string Stamp(const fs::path& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return "gone";
  return fmt::format("{}:{}:{}:{}.{}", file.string(), status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// Returns whether label_filename may name the file.
bool IsLabels(const fs::path& path) { return path.extension() == ".txt" && IsFile(path); }

std::string StampOfFolder(const fs::path& folder) {
  std::string stamp;
  std::error_code error;
  for (const fs::path& entry : SortedEntries(folder, error)) stamp += Stamp(entry) + ";";
  return stamp;
}

ModelSource ScanFolder(const fs::path& folder, std::vector<std::string>& left_out) {
  ModelSource source{.name = folder.filename().string(), .folder = folder};
  std::error_code error;
  bool has_file = false;
  std::string config_stamp, file_stamp;
  for (const fs::path& entry : SortedEntries(folder, error)) {
    const std::string name = entry.filename().string();
    if (name == kConfigName) {
      source.config = entry;
      config_stamp = Stamp(entry);
    } else if (const auto version = VersionOf(name); version && IsFolder(entry)) {
      source.versions[*version] = {entry, StampOfFolder(entry)};
    } else if (std::ranges::find(kFileNames, name) != kFileNames.end() && IsFile(entry)) {
      has_file = true;
      file_stamp += Stamp(entry) + ";";
    } else if (name != kWarmUpFolder && !name.starts_with('.') && !IsLabels(entry)) {
      left_out.push_back(fmt::format("model {}: {} is neither a version nor a model file", source.name, Quote(name)));
    }
  }
  if (error) source.problem = fmt::format("the folder cannot be read: {}", error.message());
  if (has_file && !source.versions.empty())
    source.problem = "the folder holds both version folders and a model file; keep one";
  if (has_file && source.versions.empty()) source.versions[1] = {folder, file_stamp};
  if (source.versions.empty() && source.problem.empty()) {
    source.problem = "the folder holds no version: a folder named by a number, with model.pt or model.pt2 in it";
  }
  source.stamp = config_stamp + file_stamp;
  for (auto& [number, version] : source.versions) {
    version.stamp += config_stamp;
    source.stamp += version.stamp;
  }
  return source;
}

std::optional<ModelSource> Scan(const fs::path& entry, std::vector<std::string>& left_out) {
  if (IsFolder(entry)) return ScanFolder(entry, left_out);
  const std::string extension = entry.extension().string();
  if ((extension == ".pt" || extension == ".pt2") && IsFile(entry)) return SourceOfFile(entry.stem().string(), entry);
  return std::nullopt;
}

}  // namespace

ModelSource SourceOfFile(const std::string& name, const fs::path& file) {
  const std::string stamp = Stamp(file);
  return {.name = name, .versions = {{1, {file, stamp}}}, .stamp = stamp};
}

absl::StatusOr<RepositoryContent> ScanRepository(const fs::path& root, std::string_view only) {
  std::error_code error;
  const std::vector<fs::path> entries = SortedEntries(root, error);
  if (error) {
    return MakeError(Reason::kModelNotReady, fmt::format("the model repository cannot be read: {}", error.message()),
                     {.log_text = root.string()});
  }
  RepositoryContent content;
  for (const fs::path& entry : entries) {
    if (entry.filename().string().starts_with('.')) continue;
    if (!only.empty() && entry.filename() != only && entry.stem() != only) continue;
    auto source = Scan(entry, content.left_out);
    if (!source) {
      content.left_out.push_back(fmt::format("{} is no model", Quote(entry.filename().string())));
      continue;
    }
    if (!IsPlainFileName(source->name)) {
      content.left_out.push_back(fmt::format(
          "{} is no model's name: it may have letters, digits, '.', '_' and '-', at most 128", Quote(source->name)));
      continue;
    }
    source->root = root;
    const auto [other, is_new] = content.models.try_emplace(source->name, *source);
    if (is_new) continue;
    other->second.problem = fmt::format("two models have this name: {} is one, a folder or file beside it another",
                                        entry.filename().string());
    other->second.stamp += source->stamp;
  }
  return content;
}

absl::StatusOr<fs::path> FileOfVersion(const fs::path& version, const ModelConfig& config) {
  if (!IsFolder(version)) return version;
  if (!config.default_model_filename.empty()) {
    if (!IsPlainFileName(config.default_model_filename)) {
      return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: default_model_filename {} is no file's name",
                                                           Quote(config.default_model_filename)));
    }
    return version / config.default_model_filename;
  }
  std::optional<fs::path> file;
  for (const char* const name : kFileNames) {
    if (!IsFile(version / name)) continue;
    if (file) {
      return MakeError(
          Reason::kModelNotReady,
          "the version holds both model.pt and model.pt2: default_model_filename in config.pbtxt says which");
    }
    file = version / name;
  }
  if (!file) return MakeError(Reason::kModelNotReady, "the version holds neither model.pt nor model.pt2");
  return *file;
}

}  // namespace tensorferry::inference
