#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace tensorferry::inference {

// Opens the library of a package for as long as the process lives, and puts a link to it in the place of `library`, a
// file that must be the caller's own. A library with the same bytes is opened once: whoever opens `library` then gets
// the one that is loaded.
//
// What is shared: code and constant data. Each container of models that the library makes copies the weights into
//          memory of its own, the buffers that a model changes among them.
// Lifetime: a library is never closed, because the system could not take it out of memory anyway: it has symbols that
//          are unique in the process (STB_GNU_UNIQUE), those of std::regex among others.
// Errors:  MODEL_NOT_READY, with what the library lacks.
// Threads: any.
absl::Status OpenForGood(const std::filesystem::path& library);

// Says what to do about `text`, with which the system's loader refused to open a library. Returns MODEL_NOT_READY.
absl::Status DescribeLoaderError(std::string_view text);

}  // namespace tensorferry::inference
