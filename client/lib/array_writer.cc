#include "tensorferry/client/array_writer.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "files/safetensors_writer.h"
#include "lib/npy_header.h"
#include "payload/dtype.h"

namespace tensorferry::client {
namespace {

constexpr std::string_view kEmptyZip("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);

using Archive = std::unique_ptr<zip_t, decltype(&zip_discard)>;

absl::Status CheckHasElements(const Tensor& tensor) {
  if (tensor.data) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("tensor {} came without its elements", Quote(tensor.name)));
}

absl::StatusOr<std::string> HeaderOf(const Tensor& tensor) {
  TENSORFERRY_RETURN_IF_ERROR(CheckHasElements(tensor));
  return NpyHeaderBytes(tensor);
}

absl::StatusOr<SafetensorsMember> MemberOf(const Tensor& tensor) {
  TENSORFERRY_RETURN_IF_ERROR(CheckHasElements(tensor));
  const std::optional<DType> dtype = DTypeByName(tensor.dtype);
  if (!dtype) {
    return MakeError(Reason::kUnsupportedDtype, fmt::format("safetensors has no dtype {}", Quote(tensor.dtype)));
  }
  return SafetensorsMember{tensor.name, *dtype, tensor.shape, tensor.data->size()};
}

absl::Status WriteFile(const std::string& path, std::span<const std::string_view> parts) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (const std::string_view part : parts) file << part;
  file.close();
  return file ? absl::OkStatus() : absl::ErrnoToStatus(errno, path);
}

absl::Status ArchiveError(const std::string& path, zip_t* archive) {
  return absl::UnknownError(fmt::format("{}: {}", path, zip_strerror(archive)));
}

zip_buffer_fragment_t Fragment(const std::string& bytes) {
  return {.data = reinterpret_cast<zip_uint8_t*>(const_cast<char*>(bytes.data())), .length = bytes.size()};
}

// AddMember borrows `header` and `elements` until the archive is closed.
bool AddMember(zip_t* archive, const std::string& name, const std::string& header, const std::string& elements) {
  const std::array parts{Fragment(header), Fragment(elements)};
  zip_source_t* source = zip_source_buffer_fragment(archive, parts.data(), elements.empty() ? 1 : 2, /*freep=*/0);
  if (source == nullptr) return false;
  const zip_int64_t index = zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) zip_source_free(source);
  return index >= 0 &&
         zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, /*comp_flags=*/0) == 0;
}

}  // namespace

absl::Status WriteNpy(const std::string& path, const Tensor& tensor) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string header, HeaderOf(tensor));
  return WriteFile(path, std::array<std::string_view, 2>{header, *tensor.data});
}

absl::Status WriteNpz(const std::string& path, std::span<const Tensor> tensors) {
  // libzip deletes archives without members, but NumPy writes their end record.
  if (tensors.empty()) return WriteFile(path, std::array{kEmptyZip});
  std::vector<std::string> headers;
  for (const Tensor& tensor : tensors) {
    TENSORFERRY_ASSIGN_OR_RETURN(std::string header, HeaderOf(tensor));
    headers.push_back(std::move(header));
  }
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code), zip_discard);
  if (archive == nullptr) return absl::ErrnoToStatus(errno, path);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!AddMember(archive.get(), tensors[i].name, headers[i], *tensors[i].data)) {
      return ArchiveError(path, archive.get());
    }
  }
  if (zip_close(archive.get()) != 0) return ArchiveError(path, archive.get());
  static_cast<void>(archive.release());  // zip_close has freed it.
  return absl::OkStatus();
}

absl::Status WriteSafetensors(const std::string& path, std::span<const Tensor> tensors) {
  std::vector<const Tensor*> ordered;
  for (const Tensor& tensor : tensors) ordered.push_back(&tensor);
  std::ranges::stable_sort(ordered, std::ranges::greater{}, &Tensor::itemsize);
  std::vector<SafetensorsMember> members;
  for (const Tensor* const tensor : ordered) {
    TENSORFERRY_ASSIGN_OR_RETURN(const SafetensorsMember member, MemberOf(*tensor));
    members.push_back(member);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string header, SafetensorsHeaderBytes(members));
  std::vector<std::string_view> parts{header};
  for (const Tensor* const tensor : ordered) parts.push_back(*tensor->data);
  return WriteFile(path, parts);
}

}  // namespace tensorferry::client
