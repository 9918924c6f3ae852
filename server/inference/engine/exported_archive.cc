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
constexpr char kOldProgram[] = "serialized_exported_program.json";

}  // namespace

absl::StatusOr<ExportedArchive> ExportedArchive::Open(const ModelFile& file) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> mapping, MappedFile::Map(file));
  ExportedArchive archive(std::move(mapping));
  if (IsOldExportedProgram(file)) {
    TENSORFERRY_RETURN_IF_ERROR(archive.OpenOld(file));
    return archive;
  }
  archive.ReadMembers(file);
  TENSORFERRY_ASSIGN_OR_RETURN(archive.reader_, CatchTorch(Reason::kModelNotReady, [&] {
                                 return std::make_unique<caffe2::serialize::PyTorchStreamReader>(file.path());
                               }));
  TENSORFERRY_RETURN_IF_ERROR(archive.FindProgram());
  return archive;
}

bool IsOldExportedProgram(const ModelFile& file) {
  const auto members = ZipMembers::OpenFile(file.path());
  return members.ok() && members->Size(kOldProgram);
}

absl::Status ExportedArchive::OpenOld(const ModelFile& file) {
  TENSORFERRY_ASSIGN_OR_RETURN(zip_, ZipMembers::OpenFile(file.path()));
  for (const std::string& name : zip_->Names())
    members_.try_emplace(name, Member{.nbytes = zip_->Size(name).value_or(0)});
  program_ = "model";
  return absl::OkStatus();
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
  return absl::OkStatus();
}

std::string ExportedArchive::graph() const { return zip_ ? kOldProgram : fmt::format("models/{}.json", program_); }

std::optional<std::string> ExportedArchive::Pickled(std::string_view kind) const {
  const std::string old = kind == "weights" ? "serialized_state_dict.pt" : "serialized_constants.pt";
  const std::string member = zip_ ? old : fmt::format("data/{}/{}.pt", kind, program_);
  return zip_ || Has(member) ? std::optional(member) : std::nullopt;
}

absl::Status ExportedArchive::Read(const std::string& member, std::span<std::byte> into) {
  if (zip_) return zip_->Read(member, into);
  return CatchTorch(Reason::kModelNotReady, [&] {
    const auto [data, nbytes] = reader_->getRecord(member);
    if (nbytes != into.size()) return RefuseModel(fmt::format("the member {} has two sizes", Quote(member)));
    if (nbytes > 0) std::memcpy(into.data(), data.get(), nbytes);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::string> ExportedArchive::Text(const std::string& member, std::size_t max_nbytes) {
  const auto found = members_.find(member);
  if (found == members_.end()) return RefuseModel(fmt::format("the archive has no member {}", Quote(member)));
  if (found->second.nbytes > max_nbytes) {
    return RefuseModel(fmt::format("the member {} has {} bytes, at most {} are read", Quote(member),
                                   found->second.nbytes, max_nbytes));
  }
  std::string text(found->second.nbytes, '\0');
  TENSORFERRY_RETURN_IF_ERROR(Read(member, std::as_writable_bytes(std::span(text))));
  return text;
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
      bytes = at::empty({static_cast<std::int64_t>(nbytes)}, at::kByte);
      TENSORFERRY_RETURN_IF_ERROR(Read(member, {static_cast<std::byte*>(bytes.mutable_data_ptr()), nbytes}));
    }
    return bytes.to(device).storage();
  });
}

}  // namespace tensorferry::inference
