#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "files/file_reader.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::web {

// ConvertOptions is what a request says of all of its arrays.
struct ConvertOptions {
  std::string request_id;
  bool strict = false;
  bool return_data = false;
};

// Returns the ConvertRequest of one array, with a digest. Its bytes stay where they are, kept by their owner.
grpc::ByteBuffer ConvertMessage(const FileArray& array, const ConvertOptions& options);

// ConvertedArray is a ConvertResponse for one array, taken apart.
struct ConvertedArray {
  v1::TensorMetadata metadata;
  v1::Timing timing;
  std::vector<std::string_view> elements;  // In pieces that lie in `owner`; none unless they were asked for.
  std::shared_ptr<const void> owner;
};

// Returns false if the bytes are no response of this server to one array.
bool ReadConvertedArray(const grpc::ByteBuffer& bytes, ConvertedArray& converted);

}  // namespace tensorferry::web
