#pragma once

#include <zip.h>

#include <memory>

namespace tensorferry::inference {

struct ZipDiscard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

// ZipHandle owns an archive or a member of libzip's that is read and never changed: `ZipHandle<zip_t>`.
template <typename T>
using ZipHandle = std::unique_ptr<T, ZipDiscard>;

}  // namespace tensorferry::inference
