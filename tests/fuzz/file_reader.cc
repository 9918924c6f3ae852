#include "files/file_reader.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "files/npz_writer.h"
#include "files/safetensors_writer.h"
#include "fuzz/properties.h"
#include "payload/dtype_text.h"

namespace tensorferry::fuzz {
namespace {

constexpr std::uint64_t kMaxUnpacked = 1 << 20;
constexpr std::uint64_t kMaxMembers = 64;
constexpr std::uint64_t kMaxDirectory = 1 << 14;

std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Arrays are what a file holds, by name: dtype, shape and bytes.
using Arrays = std::map<std::string, std::tuple<std::string, Shape, std::string>>;

struct ReadFile {
  std::string_view mistake;
  bool unreadable = false;  // The file, as a whole.
  Arrays arrays;
};

ReadFile ReadAll(FileFormat format, std::string_view input) {
  std::uint64_t taken = 0;
  FileReaderOptions options{.name = "body", .limits = {}, .max_header_bytes = kMaxDirectory};
  options.limits = {.max_members = kMaxMembers,
                    .max_directory_bytes = kMaxDirectory,
                    .max_bytes = kMaxUnpacked,
                    .take_memory = [&taken](std::size_t nbytes) -> absl::StatusOr<TakenMemory> {
                      taken += nbytes;
                      const auto memory = std::make_shared<std::vector<std::byte>>(nbytes);
                      return TakenMemory{memory, *memory};
                    }};
  ReadFile read;
  const auto bytes = std::as_bytes(std::span(input));
  auto reader = FileReader::Open(format, {nullptr, bytes}, std::move(options));
  read.unreadable = !reader.ok();
  if (read.unreadable) return read;
  if (format == FileFormat::kNpz && reader->names().size() + reader->skipped().size() > kMaxMembers) {
    read.mistake = "more members are read than may be";
  }
  for (std::size_t i = 0; i < reader->names().size(); ++i) {
    const auto array = reader->Read(i);
    if (!array.ok()) continue;
    if (array->name != reader->names()[i]) read.mistake = "an array has another name than its place";
    read.arrays[array->name] = {array->dtype, array->shape, std::string(TextOf(array->content.bytes))};
  }
  if (taken > kMaxUnpacked) read.mistake = "more is unpacked than may be";
  return read;
}

std::string NpzOf(const Arrays& arrays) {
  std::vector<NpzMember> members;
  for (const auto& [name, array] : arrays) members.push_back({name, std::get<2>(array), {}});
  return NpzBytes(members).value_or("");
}

std::string SafetensorsOf(const Arrays& arrays) {
  std::vector<SafetensorsMember> members;
  std::string elements;
  for (const auto& [name, array] : arrays) {
    const auto& [dtype, shape, bytes] = array;
    members.push_back({name, ParseDType(dtype, Fidelity::kConvert)->dtype, shape, bytes.size()});
    elements += bytes;
  }
  const auto header = SafetensorsHeaderBytes(members);
  return header.ok() ? *header + elements : "";
}

}  // namespace

std::string_view FileReaderMistake(std::string_view input) {
  const std::optional<FileFormat> format = FormatOf(input);
  if (!format || format == FileFormat::kNpy) return "";
  const ReadFile read = ReadAll(*format, input);
  if (!read.mistake.empty() || read.unreadable) return read.mistake;
  const std::string written = format == FileFormat::kNpz ? NpzOf(read.arrays) : SafetensorsOf(read.arrays);
  if (written.empty()) return "what is read cannot be written";
  // Names that are escaped, and records that are longer than they need be, may take the written file beyond the limits.
  const ReadFile again = ReadAll(*format, written);
  if (again.unreadable) return written.size() > kMaxDirectory ? "" : "what is written cannot be read";
  return again.arrays == read.arrays ? "" : "what is written is not what was read";
}

}  // namespace tensorferry::fuzz
