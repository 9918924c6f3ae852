#include "tensorferry/client/array_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "files/npy_header.h"
#include "files/npz_writer.h"
#include "files/safetensors_writer.h"
#include "payload/dtype.h"

namespace tensorferry::client {
namespace {

absl::Status CheckHasElements(const Tensor& tensor) {
  if (tensor.data) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("tensor {} came without its elements", Quote(tensor.name)));
}

absl::StatusOr<std::string> HeaderOf(const Tensor& tensor) {
  TENSORFERRY_RETURN_IF_ERROR(CheckHasElements(tensor));
  const std::optional<DType> dtype = DTypeByName(tensor.dtype);
  if (!dtype) {
    return MakeError(Reason::kUnsupportedDtype, fmt::format("no .npy form of dtype {}", Quote(tensor.dtype)));
  }
  return NpyHeaderBytes(*dtype, tensor.shape);
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

}  // namespace

absl::Status WriteNpy(const std::string& path, const Tensor& tensor) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string header, HeaderOf(tensor));
  return WriteFile(path, std::array<std::string_view, 2>{header, *tensor.data});
}

absl::Status WriteNpz(const std::string& path, std::span<const Tensor> tensors) {
  std::vector<NpzMember> members;
  for (const Tensor& tensor : tensors) {
    TENSORFERRY_ASSIGN_OR_RETURN(std::string header, HeaderOf(tensor));
    members.push_back({tensor.name, std::move(header), {*tensor.data}});
  }
  return WriteNpzFile(path, members);
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
