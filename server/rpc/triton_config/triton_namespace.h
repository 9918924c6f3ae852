// `triton::` stands for the package of the Open Inference Protocol. The package's own name, `inference`, is also that
// of one of our folders and of its namespace. This header is for headers that declare classes of the package; others
// include triton_proto.h.
#pragma once

namespace inference {}

namespace tensorferry {
namespace triton = ::inference;
}  // namespace tensorferry
