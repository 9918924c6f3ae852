#pragma once

#include <span>
#include <string_view>

namespace tensorferry::page {

// PageFile is a file of the page, as the build has put it into the binary.
struct PageFile {
  std::string_view path;  // Under which it is asked for: `/` for the document, else `/page/NAME`.
  std::string_view content_type;
  std::string_view bytes;
  std::string_view etag;  // In quotes; another one for every other content.
};

std::span<const PageFile> PageFiles();

}  // namespace tensorferry::page
