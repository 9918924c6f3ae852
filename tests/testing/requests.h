#pragma once

#include <string>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry {

// AddArray adds an array of uint8: it has as many bytes as elements.
inline v1::Array& AddArray(v1::ConvertRequest& request, const std::string& name, std::int64_t numel) {
  v1::Array& array = *request.add_arrays();
  array.set_name(name);
  array.set_dtype("|u1");
  array.add_shape(numel);
  return array;
}

inline v1::Array& AddData(v1::ConvertRequest& request, const std::string& name, const std::string& data) {
  v1::Array& array = AddArray(request, name, static_cast<std::int64_t>(data.size()));
  array.set_data(data);
  return array;
}

inline v1::Array& AddChunked(v1::ConvertRequest& request, const std::string& name, std::uint64_t nbytes) {
  v1::Array& array = AddArray(request, name, static_cast<std::int64_t>(nbytes));
  array.set_chunked_nbytes(nbytes);
  return array;
}

}  // namespace tensorferry
