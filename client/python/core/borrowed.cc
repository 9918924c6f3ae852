#include "borrowed.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "gil.h"

namespace nb = nanobind;

namespace tensorferry::core {
namespace {

Layout LayoutOf(const Py_buffer& buffer) {
  Layout layout{.data = static_cast<const std::byte*>(buffer.buf),
                .itemsize = static_cast<std::size_t>(buffer.itemsize),
                .swapped = 0,
                .is_bool = false,
                .shape = {}};
  for (int axis = 0; axis < buffer.ndim; ++axis) {
    layout.shape.push_back({.size = static_cast<std::size_t>(buffer.shape[axis]), .stride = buffer.strides[axis]});
  }
  return layout;
}

}  // namespace

bool BorrowedChunks::SendOn(Stream& stream) const {
  const WithoutGil released;
  while (std::optional<grpc::ByteBuffer> message = chunks->NextMessage()) {
    if (stream.Send(*message)) continue;
    chunks->Keep(*std::move(message));
    return false;
  }
  return true;
}

nb::bytes BorrowedChunks::Next() const {
  std::optional<grpc::Slice> chunk;
  {
    const WithoutGil released;
    chunk = chunks->Next();
  }
  if (!chunk) throw nb::stop_iteration();
  return nb::bytes(chunk->begin(), chunk->size());
}

nb::bytes BorrowedChunks::Digest() const {
  std::string digest;
  {
    const WithoutGil released;
    digest = chunks->Digest();
  }
  return nb::bytes(digest.data(), digest.size());
}

void MakeChunks(BorrowedChunks* place, nb::handle memory, std::size_t limit, std::size_t swapped,
                std::optional<DigestOrder> digest) {
  auto buffer = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(memory.ptr(), buffer.get(), PyBUF_STRIDES) != 0) throw nb::python_error();
  Upload upload{.memory = nullptr,
                .travelling = LayoutOf(*buffer),
                .has_digest = digest.has_value(),
                .digested = std::nullopt,
                .limit = limit};
  upload.memory = std::make_shared<Memory>(buffer.release());
  upload.travelling.swapped = swapped;
  if (digest && *digest != DigestOrder(false, swapped, false)) {
    const auto& [is_reversed, digest_swapped, is_bool] = *digest;
    Layout layout = upload.travelling;
    if (is_reversed) std::ranges::reverse(layout.shape);
    layout.swapped = digest_swapped;
    layout.is_bool = is_bool;
    upload.digested = std::move(layout);
  }
  new (place) BorrowedChunks{.chunks = std::make_shared<Chunks>(std::move(upload))};
}

}  // namespace tensorferry::core
