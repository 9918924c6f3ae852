// `triton::` for the package of the Open Inference Protocol: its own name, `inference`, is that of one of our folders
// and of its namespace. For headers that declare its classes beforehand; others include triton_proto.h.
#pragma once

namespace inference {}

namespace tensorferry {
namespace triton = ::inference;
}  // namespace tensorferry
