#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <nanobind/nanobind.h>

namespace tensorferry::core {

// MakeMessage makes a message of bytes-like objects that follow each other. Large ones are sent from where they are;
// gRPC may hold on to them for longer than a call that ends early.
// Errors: the Python exception of an object that has no contiguous memory.
grpc::ByteBuffer MakeMessage(nanobind::sequence pieces);

}  // namespace tensorferry::core
