#pragma once

#include <google/protobuf/io/zero_copy_stream.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// PieceStream lets protobuf's parser read a message that lies in pieces, each smaller than 2 GiB.
class PieceStream final : public google::protobuf::io::ZeroCopyInputStream {
 public:
  explicit PieceStream(std::span<const Bytes> pieces) : left_(pieces) {}

  bool Next(const void** data, int* size) override {
    while (!left_.empty() && offset_ == left_.front().size()) {
      left_ = left_.subspan(1);
      offset_ = 0;
    }
    if (left_.empty()) return false;
    const Bytes rest = left_.front().subspan(offset_);
    *data = rest.data();
    *size = static_cast<int>(rest.size());
    offset_ += rest.size();
    count_ += *size;
    return true;
  }

  void BackUp(int count) override {  // `count` is at most what Next gave last, so it lies in the same piece.
    offset_ -= static_cast<std::size_t>(count);
    count_ -= count;
  }

  bool Skip(int count) override {
    const void* data = nullptr;
    for (int size = 0; count > 0; count -= size) {
      if (!Next(&data, &size)) return false;
      if (size > count) {
        BackUp(size - count);
        return true;
      }
    }
    return true;
  }

  std::int64_t ByteCount() const override { return count_; }

 private:
  std::span<const Bytes> left_;
  std::size_t offset_ = 0;  // The bytes of the first piece of left_ that were read.
  std::int64_t count_ = 0;
};

}  // namespace tensorferry::rpc
