#pragma once

#include <c10/core/Device.h>
#include <c10/core/Storage.h>
#include <caffe2/serialize/inline_container.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/engine/mapped_file.h"
#include "inference/engine/model_file.h"
#include "inference/engine/zip_members.h"

namespace tensorferry::inference {

// Returns whether a file is an archive of torch 2.7 or earlier, which torch's own reader does not take.
bool IsOldExportedProgram(const ModelFile& file);

// ExportedArchive reads an archive that torch.export.save wrote. Members are called by their names without the
// archive's own folder, which torch 2.7 and earlier did not make.
class ExportedArchive {
 public:
  // Opens an archive whose members have the checksums that it says (archive_check.h).
  // Errors: MODEL_NOT_READY if it cannot be mapped, or is of a form that this server does not read.
  // Lifetime: `file` outlives this object.
  static absl::StatusOr<ExportedArchive> Open(const ModelFile& file);

  // Returns the name of the archive's only program: "model" for models/model.json.
  const std::string& program() const { return program_; }

  // Returns the member with the program's graph.
  std::string graph() const;

  // Returns the member in which torch 2.8 and earlier pickled tensors; nothing if the archive is of a later torch. The
  // kind is "weights" or "constants".
  std::optional<std::string> Pickled(std::string_view kind) const;

  // Returns the mapping that storages of members keep alive.
  const std::shared_ptr<MappedFile>& mapping() const { return mapping_; }

  bool Has(const std::string& member) const { return members_.contains(member); }

  // Returns the text of a member. Errors: MODEL_NOT_READY if there is none, or it has more than `max_nbytes` bytes.
  absl::StatusOr<std::string> Text(const std::string& member, std::size_t max_nbytes);

  // Returns a member's bytes on the device. On the CPU they are those of the mapped file, unless the member is packed,
  // lies where vectors cannot be read, or the archive has no folder: then they are a copy.
  // Errors: MODEL_NOT_READY if there is no such member; MEMORY_BUDGET.
  absl::StatusOr<c10::Storage> Bytes(const std::string& member, at::Device device);

 private:
  struct Member {
    std::size_t nbytes = 0;
    bool stored = false;  // Its bytes lie in the file as they are.
  };

  explicit ExportedArchive(std::shared_ptr<MappedFile> mapping) : mapping_(std::move(mapping)) {}

  void ReadMembers(const ModelFile& file);
  absl::Status OpenOld(const ModelFile& file);
  absl::Status FindProgram();
  absl::Status Read(const std::string& member, std::span<std::byte> into);

  std::shared_ptr<MappedFile> mapping_;
  std::unique_ptr<caffe2::serialize::PyTorchStreamReader> reader_;  // Null if the archive has no folder.
  std::optional<ZipMembers> zip_;                                   // Only then.
  std::map<std::string, Member> members_;
  std::string program_;
};

}  // namespace tensorferry::inference
