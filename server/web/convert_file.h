#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer_pool.h"
#include "files/file_reader.h"
#include "http/message.h"
#include "payload/dtype.h"
#include "web/convert_message.h"

namespace tensorferry::web {

// Returns the arrays, with their elements, as a file of the format. Elements are sent from where they lie, but for a
// .npz, for which they are copied once into memory that the budget has admitted.
// Errors: 406 for what the format cannot hold; 429 without memory.
http::Response FileAnswer(FileFormat format, std::vector<ConvertedArray> arrays, const PoolFor& pool);

// Returns the refusal of an answer in a format that cannot hold what was asked for.
http::Response NotHeldBy(FileFormat format, std::string_view why);

}  // namespace tensorferry::web
