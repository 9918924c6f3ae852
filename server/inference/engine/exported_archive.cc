#include "inference/engine/exported_archive.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>
#include <zip.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/engine/refuse_model.h"
#include "inference/engine/zip_handle.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

constexpr std::size_t kAlignment = 64;  // What torch's own writer keeps, and vector instructions want.
constexpr std::size_t kMaxMembers = 1'000'000;

}  // namespace

absl::StatusOr<ExportedArchive> ExportedArchive::Open(const ModelFile& file) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> mapping, MappedFile::Map(file));
  ExportedArchive archive(std::move(mapping));
  archive.ReadMembers(file);
  TENSORFERRY_ASSIGN_OR_RETURN(archive.reader_, CatchTorch(Reason::kModelNotReady, [&] {
                                 return std::make_unique<caffe2::serialize::PyTorchStreamReader>(file.path());
                               }));
  TENSORFERRY_RETURN_IF_ERROR(archive.FindProgram());
  return archive;
}

void ExportedArchive::ReadMembers(const ModelFile& file) {
  const ZipHandle<zip_t> archive(zip_open(file.path().c_str(), ZIP_RDONLY, nullptr));
  if (archive == nullptr) return;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count && members_.size() < kMaxMembers; ++i) {
    zip_stat_t member{};
    if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &member) != 0) continue;
    const std::string_view name = member.name;
    const std::size_t folder = name.find('/');
    if (folder == std::string_view::npos) continue;
    members_.try_emplace(std::string(name.substr(folder + 1)),
                         Member{.nbytes = member.size, .stored = member.comp_method == ZIP_CM_STORE});
  }
}

absl::Status ExportedArchive::FindProgram() {
  constexpr std::string_view kFolder = "models/", kEnding = ".json";
  for (auto member = members_.lower_bound(std::string(kFolder));
       member != members_.end() && member->first.starts_with(kFolder); ++member) {
    std::string_view name = member->first;
    name.remove_prefix(kFolder.size());
    if (!name.ends_with(kEnding)) continue;
    name.remove_suffix(kEnding.size());
    if (!program_.empty()) {
      return RefuseModel(fmt::format("the archive holds several programs, {} and {} among them; one file is one model",
                                     Quote(program_), Quote(name)));
    }
    program_ = name;
  }
  if (program_.empty()) return RefuseModel("the archive has no program: no member models/NAME.json");
  for (const std::string_view folder : {"data/weights/", "data/constants/"}) {
    if (!Has(fmt::format("{}{}.pt", folder, program_))) continue;
    return RefuseModel(
        "the file was exported by torch 2.8, which pickles weights; this server unpickles nothing: save the program "
        "again with torch 2.9 or later");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ExportedArchive::Text(const std::string& member, std::size_t max_nbytes) {
  const auto found = members_.find(member);
  if (found == members_.end()) return RefuseModel(fmt::format("the archive has no member {}", Quote(member)));
  if (found->second.nbytes > max_nbytes) {
    return RefuseModel(fmt::format("the member {} has {} bytes, at most {} are read", Quote(member),
                                   found->second.nbytes, max_nbytes));
  }
  return CatchTorch(Reason::kModelNotReady, [&] {
    const auto [data, nbytes] = reader_->getRecord(member);
    return std::string(static_cast<const char*>(data.get()), nbytes);
  });
}

absl::StatusOr<c10::Storage> ExportedArchive::Bytes(const std::string& member, at::Device device) {
  const auto found = members_.find(member);
  if (found == members_.end()) return RefuseModel(fmt::format("the archive has no member {}", Quote(member)));
  return CatchTorch(Reason::kModelNotReady, [&]() -> absl::StatusOr<c10::Storage> {
    const std::size_t nbytes = found->second.nbytes;
    const std::span<std::byte> file = mapping_->bytes();
    const std::size_t offset = found->second.stored ? reader_->getRecordOffset(member) : file.size();
    const bool is_mapped = found->second.stored && offset <= file.size() && file.size() - offset >= nbytes;
    at::Tensor bytes;
    if (is_mapped && offset % kAlignment == 0) {
      bytes = at::from_blob(
          file.data() + offset, {static_cast<std::int64_t>(nbytes)}, [mapping = mapping_](void*) {}, at::kByte);
    } else {
      const auto [data, read] = reader_->getRecord(member);
      bytes = at::empty({static_cast<std::int64_t>(read)}, at::kByte);
      if (read > 0) std::memcpy(bytes.mutable_data_ptr(), data.get(), read);
    }
    return bytes.to(device).storage();
  });
}

}  // namespace tensorferry::inference
