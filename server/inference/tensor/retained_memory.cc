#include "inference/tensor/retained_memory.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "inference/tensor/tensor.h"

namespace tensorferry::inference {
namespace {

const c10::StorageImpl* StorageOf(const at::Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }

bool HasStorage(const at::Tensor& tensor) { return tensor.defined() && tensor.has_storage(); }

// Returns whether `tensor` is the only handle of the only tensor of its memory, as is nearly every output.
bool IsAlone(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1 && IsTakenForOneTensor(tensor.storage());
}

// Orders handles by their memory, and handles of one memory by their tensor.
bool IsBefore(const at::Tensor* a, const at::Tensor* b) {
  const std::less<> before;
  if (StorageOf(*a) != StorageOf(*b)) return before(StorageOf(*a), StorageOf(*b));
  return before(a->unsafeGetTensorImpl(), b->unsafeGetTensorImpl());
}

// Returns whether a memory, or a tensor over it, has references besides `handles`, which are sorted by IsBefore.
template <typename Iterator>
bool IsRetained(Iterator begin, Iterator end) {
  std::size_t tensors = 0;
  std::size_t references = 0;
  for (Iterator handle = begin; handle != end; ++handle) {
    if (handle != begin && (*handle)->is_same(**std::prev(handle))) continue;
    ++tensors;
    references += (*handle)->use_count();
  }
  const c10::Storage& storage = (*begin)->storage();
  return references != static_cast<std::size_t>(end - begin) || storage.use_count() != tensors ||
         !IsTakenForOneTensor(storage);
}

}  // namespace

RetainedMemory::RetainedMemory(const std::vector<NamedTensor>& outputs) {
  if (std::ranges::all_of(
          outputs, [](const NamedTensor& output) { return !HasStorage(output.tensor) || IsAlone(output.tensor); })) {
    return;
  }
  std::vector<const at::Tensor*> handles;
  for (const NamedTensor& output : outputs) {
    if (HasStorage(output.tensor)) handles.push_back(&output.tensor);
  }
  std::ranges::sort(handles, IsBefore);
  for (auto begin = handles.begin(); begin != handles.end();) {
    const auto end = std::find_if(begin, handles.end(),
                                  [&](const at::Tensor* handle) { return StorageOf(*handle) != StorageOf(**begin); });
    if (IsRetained(begin, end)) storages_.push_back(StorageOf(**begin));
    begin = end;
  }
}

bool RetainedMemory::Holds(const at::Tensor& tensor) const {
  return !storages_.empty() && HasStorage(tensor) &&
         std::ranges::binary_search(storages_, StorageOf(tensor), std::less());  // They were added in this order.
}

}  // namespace tensorferry::inference
