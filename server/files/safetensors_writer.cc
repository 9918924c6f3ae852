#include "files/safetensors_writer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "files/safetensors_dtype.h"

namespace tensorferry {
namespace {

constexpr std::size_t kAlignment = 8;

std::string LittleEndian(std::uint64_t number) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(number >> shift & 0xFF);
  return bytes;
}

}  // namespace

absl::StatusOr<std::string> SafetensorsHeaderBytes(std::span<const SafetensorsMember> members) {
  nlohmann::json header = nlohmann::json::object();
  std::uint64_t begin = 0;
  for (const SafetensorsMember& member : members) {
    const SafetensorsDType* const dtype = FindSafetensorsDType(member.dtype);
    if (dtype == nullptr) {
      return InArray(member.name, MakeError(Reason::kUnsupportedDtype,
                                            fmt::format("safetensors has no dtype for {}", Info(member.dtype).name)));
    }
    const std::uint64_t end = begin + member.nbytes;
    const bool is_new =
        header
            .emplace(member.name, nlohmann::json{{"dtype", dtype->name},
                                                 {"shape", std::vector(member.shape.begin(), member.shape.end())},
                                                 {"data_offsets", {begin, end}}})
            .second;
    if (!is_new || member.name == "__metadata__") {
      return MakeError(Reason::kBadName,
                       fmt::format("name {} cannot be used, or not twice, in a safetensors file", Quote(member.name)));
    }
    begin = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  return LittleEndian(text.size()) + text;
}

}  // namespace tensorferry
