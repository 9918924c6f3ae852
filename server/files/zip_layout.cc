#include "files/zip_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/status.h"

namespace tensorferry {
namespace {

// APPNOTE.TXT, PKWARE's specification of the format, gives each record's fields in this order. All are little-endian.
constexpr std::string_view kEnd("PK\x05\x06", 4);
constexpr std::string_view kEnd64Locator("PK\x06\x07", 4);
constexpr std::string_view kEnd64("PK\x06\x06", 4);
constexpr std::string_view kEntry("PK\x01\x02", 4);
constexpr std::string_view kLocal("PK\x03\x04", 4);
constexpr std::size_t kEndBytes = 22, kEnd64LocatorBytes = 20, kEnd64Bytes = 56, kEntryBytes = 46, kLocalBytes = 30;
constexpr std::size_t kMaxComment = 0xFFFF;
constexpr std::uint32_t kIn64Bits = 0xFFFFFFFF;  // Where this stands, the zip64 extra field has the value.
constexpr std::uint16_t kZip64 = 1;
constexpr std::uint16_t kEncrypted = 1 << 0, kSizesFollow = 1 << 3;

absl::Status BadLayout(std::string_view why) { return absl::InvalidArgumentError(std::string(why)); }

absl::Status BadLayout(std::string_view member, std::string_view why) {
  return BadLayout(fmt::format("member {}: {}", Quote(member), why));
}

// Part returns `count` bytes of `text` from `offset` on, or fewer if the text ends before.
std::string_view Part(std::string_view text, std::uint64_t offset, std::uint64_t count) {
  return offset > text.size() ? std::string_view() : text.substr(offset, count);
}

// At reads a number at `offset`, which must lie in `record`.
template <typename Number>
Number At(std::string_view record, std::size_t offset) {
  Number number;
  std::memcpy(&number, record.data() + offset, sizeof(Number));  // The machine is little-endian, too.
  return number;
}

struct Directory {
  std::uint64_t offset, nbytes;
};

// FindEnd finds the end record: the last one in the file, as zipfile does.
std::optional<std::size_t> FindEnd(std::string_view file) {
  const std::size_t first = file.size() - std::min(file.size(), kEndBytes + kMaxComment);
  const std::size_t found = file.rfind(kEnd);
  return found == std::string_view::npos || found < first || file.size() - found < kEndBytes ? std::nullopt
                                                                                             : std::optional(found);
}

absl::StatusOr<Directory> FindDirectory(std::string_view file) {
  const std::optional<std::size_t> end = FindEnd(file);
  if (!end) return BadLayout("Not a zip archive");
  const std::string_view record = file.substr(*end, kEndBytes);
  Directory directory{At<std::uint32_t>(record, 16), At<std::uint32_t>(record, 12)};
  std::uint64_t directory_end = *end;
  const std::string_view locator =
      *end < kEnd64LocatorBytes ? "" : file.substr(*end - kEnd64LocatorBytes, kEnd64LocatorBytes);
  if (locator.starts_with(kEnd64Locator)) {
    directory_end = At<std::uint64_t>(locator, 8);
    const std::string_view end64 = Part(file, directory_end, kEnd64Bytes);
    if (end64.size() < kEnd64Bytes || !end64.starts_with(kEnd64)) return BadLayout("no zip64 end of the directory");
    directory = {At<std::uint64_t>(end64, 48), At<std::uint64_t>(end64, 40)};
  }
  if (directory.nbytes > directory_end || directory_end - directory.nbytes != directory.offset) {
    return BadLayout("the directory does not end where the archive says");
  }
  return directory;
}

// Zip64Values reads the values of a zip64 extra field, one after the other.
class Zip64Values {
 public:
  explicit Zip64Values(std::string_view extra) {
    while (extra.size() >= 4) {
      const std::string_view value = Part(extra, 4, At<std::uint16_t>(extra, 2));
      if (At<std::uint16_t>(extra, 0) == kZip64) values_ = value;
      extra.remove_prefix(4 + value.size());
    }
  }

  // Widen returns `field`, or the next 64-bit value if `field` says that it stands there; nothing if that value is
  // missing.
  std::optional<std::uint64_t> Widen(std::uint32_t field) {
    if (field != kIn64Bits) return field;
    if (values_.size() < sizeof(std::uint64_t)) return std::nullopt;
    const auto value = At<std::uint64_t>(values_, 0);
    values_.remove_prefix(sizeof(std::uint64_t));
    return value;
  }

 private:
  std::string_view values_;
};

// Entry is a directory entry, with the place of the member's local header.
struct Entry {
  ZipMember member;
  std::uint64_t packed_nbytes, local_offset;
  std::size_t nbytes;  // The length of the directory entry itself.
};

absl::StatusOr<Entry> ReadEntry(std::string_view directory) {
  const std::string_view record = directory.substr(0, kEntryBytes);
  if (record.size() < kEntryBytes || !record.starts_with(kEntry)) return BadLayout("the directory is cut off");
  const std::size_t name_nbytes = At<std::uint16_t>(record, 28), extra_nbytes = At<std::uint16_t>(record, 30);
  const std::size_t nbytes = kEntryBytes + name_nbytes + extra_nbytes + At<std::uint16_t>(record, 32);
  if (directory.size() < nbytes) return BadLayout("the directory is cut off");
  const std::string_view name = directory.substr(kEntryBytes, name_nbytes);
  Zip64Values wide(directory.substr(kEntryBytes + name_nbytes, extra_nbytes));
  const auto unpacked = wide.Widen(At<std::uint32_t>(record, 24));
  const auto packed = wide.Widen(At<std::uint32_t>(record, 20));
  const auto offset = wide.Widen(At<std::uint32_t>(record, 42));
  if (!unpacked || !packed || !offset) return BadLayout(name, "the zip64 field is too short");
  return Entry{.member = {.name = name,
                          .flags = At<std::uint16_t>(record, 8),
                          .method = At<std::uint16_t>(record, 10),
                          .crc = At<std::uint32_t>(record, 16),
                          .nbytes = *unpacked},
               .packed_nbytes = *packed,
               .local_offset = *offset,
               .nbytes = nbytes};
}

absl::Status Contradiction(const Entry& entry, std::string_view field, std::uint64_t local, std::uint64_t right) {
  return BadLayout(entry.member.name, fmt::format("its header has {} {}, the directory {}", field, local, right));
}

absl::Status CheckFields(const Entry& entry, std::string_view record, std::string_view extra) {
  const ZipMember& member = entry.member;
  const auto flags = At<std::uint16_t>(record, 6), method = At<std::uint16_t>(record, 8);
  if (method != member.method) return Contradiction(entry, "method", method, member.method);
  if (((flags ^ member.flags) & kEncrypted) != 0) return Contradiction(entry, "flags", flags, member.flags);
  Zip64Values wide(extra);
  const auto unpacked = wide.Widen(At<std::uint32_t>(record, 22));
  const auto packed = wide.Widen(At<std::uint32_t>(record, 18));
  if (!unpacked || !packed) return BadLayout(member.name, "the zip64 field of its header is too short");

  struct Field {
    std::string_view name;
    std::uint64_t local, right;
  };
  const std::array fields{Field{"checksum", At<std::uint32_t>(record, 14), member.crc},
                          Field{"size", *unpacked, member.nbytes}, Field{"packed size", *packed, entry.packed_nbytes}};
  for (const auto& [name, local, right] : fields) {
    const bool unsaid = local == 0 && ((flags | member.flags) & kSizesFollow) != 0;
    if (local != right && !unsaid) return Contradiction(entry, name, local, right);
  }
  return absl::OkStatus();
}

// Locate checks the local header of `entry`, and finds the member's bytes.
absl::Status Locate(std::string_view file, Entry& entry) {
  ZipMember& member = entry.member;
  const std::string_view record = Part(file, entry.local_offset, kLocalBytes);
  if (record.size() < kLocalBytes || !record.starts_with(kLocal)) return BadLayout(member.name, "it has no header");
  const std::size_t name_nbytes = At<std::uint16_t>(record, 26), extra_nbytes = At<std::uint16_t>(record, 28);
  const std::uint64_t name_offset = entry.local_offset + kLocalBytes;
  if (Part(file, name_offset, name_nbytes) != member.name) return BadLayout(member.name, "its header has another name");
  TENSORFERRY_RETURN_IF_ERROR(CheckFields(entry, record, Part(file, name_offset + name_nbytes, extra_nbytes)));
  const std::string_view bytes = Part(file, name_offset + name_nbytes + extra_nbytes, entry.packed_nbytes);
  if (bytes.size() != entry.packed_nbytes) return BadLayout(member.name, "it ends behind the file");
  member.packed = std::as_bytes(std::span(bytes));
  return absl::OkStatus();
}

// Marks members that share bytes of the file with each other, or with the directory.
void MarkOverlaps(std::string_view file, std::uint64_t directory_offset, std::vector<Entry>& entries) {
  const auto end_of = [&](const Entry& entry) {
    const auto* const end = reinterpret_cast<const char*>(entry.member.packed.data() + entry.member.packed.size());
    return static_cast<std::uint64_t>(end - file.data());
  };
  std::vector<Entry*> in_order;
  for (Entry& entry : entries) {
    if (entry.member.status.ok()) in_order.push_back(&entry);
  }
  std::ranges::sort(in_order, {}, [](const Entry* entry) { return entry->local_offset; });
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    Entry* const next = i + 1 < in_order.size() ? in_order[i + 1] : nullptr;
    if (end_of(*in_order[i]) <= (next != nullptr ? next->local_offset : directory_offset)) continue;
    in_order[i]->member.status = BadLayout(in_order[i]->member.name, "it overlaps what follows it");
    if (next != nullptr) next->member.status = BadLayout(next->member.name, "it overlaps the member before it");
  }
}

void MarkRepeatedNames(std::vector<Entry>& entries) {
  std::unordered_map<std::string_view, Entry*> first;
  for (Entry& entry : entries) {
    const auto [found, is_new] = first.try_emplace(entry.member.name, &entry);
    if (is_new) continue;
    for (Entry* const each : {&entry, found->second})
      each->member.status = BadLayout(each->member.name, "it is there twice");
  }
}

}  // namespace

absl::StatusOr<std::vector<ZipMember>> ReadZipLayout(std::span<const std::byte> bytes, const ZipLimits& limits) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  TENSORFERRY_ASSIGN_OR_RETURN(const Directory place, FindDirectory(file));
  if (place.nbytes > limits.max_directory_bytes) {
    return absl::ResourceExhaustedError(fmt::format(".npz with a directory of {} bytes, at most {} are taken",
                                                    place.nbytes, limits.max_directory_bytes));
  }
  std::vector<Entry> entries;
  for (std::string_view rest = file.substr(place.offset, place.nbytes); !rest.empty();) {
    if (entries.size() == limits.max_members) {
      return absl::ResourceExhaustedError(fmt::format(".npz with more than {} members", limits.max_members));
    }
    TENSORFERRY_ASSIGN_OR_RETURN(Entry entry, ReadEntry(rest));
    rest.remove_prefix(entry.nbytes);
    entry.member.status = Locate(file, entry);
    entries.push_back(std::move(entry));
  }
  MarkOverlaps(file, place.offset, entries);
  MarkRepeatedNames(entries);
  std::vector<ZipMember> members;
  for (Entry& entry : entries) members.push_back(std::move(entry.member));
  return members;
}

}  // namespace tensorferry
