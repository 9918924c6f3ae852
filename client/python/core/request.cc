#include "request.h"

#include <grpcpp/support/slice.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "released.h"

namespace tensorferry::core {
namespace {

constexpr Py_ssize_t kMaxCopied = 4096;  // Bytes. A small piece costs less to copy than to borrow.

void Release(void* buffer) { TheReleased().Add(static_cast<Buffer>(buffer)); }

grpc::Slice SliceOf(nanobind::handle piece) {
  auto buffer = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(piece.ptr(), buffer.get(), PyBUF_SIMPLE) != 0) throw nanobind::python_error();
  if (buffer->len <= kMaxCopied) {
    grpc::Slice copy(buffer->buf, static_cast<std::size_t>(buffer->len));
    PyBuffer_Release(buffer.get());
    return copy;
  }
  Buffer const borrowed = buffer.release();
  return {borrowed->buf, static_cast<std::size_t>(borrowed->len), &Release, borrowed};
}

}  // namespace

Released& TheReleased() {
  static Released& released = *new Released;
  return released;
}

grpc::ByteBuffer MakeMessage(nanobind::sequence pieces) {
  std::vector<grpc::Slice> slices;
  for (const nanobind::handle piece : pieces) slices.push_back(SliceOf(piece));
  return {slices.data(), slices.size()};
}

}  // namespace tensorferry::core
