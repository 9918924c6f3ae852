#include "inference/engine/elf_check.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

constexpr unsigned char kByteOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

// The dynamic table ends with an entry without a tag, and names at least strings and symbols.
constexpr Elf64_Sxword kNeeded[] = {DT_STRTAB, DT_STRSZ, DT_SYMTAB};

// DynamicRange names two entries of the dynamic table: the address and the size of another table.
struct DynamicRange {
  Elf64_Sxword address;
  Elf64_Sxword size;  // DT_NULL: the dynamic table does not say the size.
};
constexpr DynamicRange kRanges[] = {
    {DT_STRTAB, DT_STRSZ},    {DT_SYMTAB, DT_NULL},  {DT_RELA, DT_RELASZ},
    {DT_JMPREL, DT_PLTRELSZ}, {DT_HASH, DT_NULL},    {DT_GNU_HASH, DT_NULL},
    {DT_INIT, DT_NULL},       {DT_FINI, DT_NULL},    {DT_INIT_ARRAY, DT_INIT_ARRAYSZ},
    {DT_VERSYM, DT_NULL},     {DT_VERNEED, DT_NULL}, {DT_FINI_ARRAY, DT_FINI_ARRAYSZ},
};

bool IsWithin(std::uint64_t offset, std::uint64_t nbytes, std::uint64_t size) {
  return offset <= size && size - offset >= nbytes;
}

absl::Status Incomplete(std::string_view what) {
  return MakeError(Reason::kModelNotReady, fmt::format("the library in the package is incomplete: {}", what));
}

// Returns the `count` entries of a table that begins at `offset`, or nothing if it does not lie within `bytes`.
template <typename Entry>
std::optional<std::vector<Entry>> ReadTable(std::span<const char> bytes, std::uint64_t offset, std::uint64_t count) {
  if (count > bytes.size() || !IsWithin(offset, count * sizeof(Entry), bytes.size())) return std::nullopt;
  std::vector<Entry> entries(count);
  if (count > 0) std::memcpy(entries.data(), bytes.data() + offset, count * sizeof(Entry));
  return entries;
}

bool IsHeader(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == kByteOrder && header.e_ident[EI_VERSION] == EV_CURRENT && header.e_type == ET_DYN &&
         header.e_ehsize == sizeof(Elf64_Ehdr) && header.e_phentsize == sizeof(Elf64_Phdr) &&
         header.e_phnum != PN_XNUM && (header.e_shnum == 0 || header.e_shentsize == sizeof(Elf64_Shdr));
}

bool IsSegment(const Elf64_Phdr& segment, std::uint64_t file_nbytes) {
  if (!IsWithin(segment.p_offset, segment.p_filesz, file_nbytes)) return false;
  if (segment.p_vaddr + segment.p_memsz < segment.p_vaddr) return false;
  if (segment.p_type != PT_LOAD) return true;
  return segment.p_filesz <= segment.p_memsz && std::has_single_bit(segment.p_align) &&
         (segment.p_vaddr - segment.p_offset) % segment.p_align == 0;
}

// Returns whether the library has `nbytes` bytes of its file at `address`, once it is loaded.
bool IsLoaded(std::span<const Elf64_Phdr> segments, std::uint64_t address, std::uint64_t nbytes) {
  return std::ranges::any_of(segments, [&](const Elf64_Phdr& segment) {
    return segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
           IsWithin(address - segment.p_vaddr, nbytes, segment.p_filesz);
  });
}

absl::Status CheckSections(std::span<const char> library, const Elf64_Ehdr& header) {
  const auto sections = ReadTable<Elf64_Shdr>(library, header.e_shoff, header.e_shnum);
  if (!sections) return Incomplete("its table of sections ends behind the file");
  if (header.e_shnum > 0 && header.e_shstrndx >= header.e_shnum) return Incomplete("its sections have no names");
  for (std::size_t i = 0; i < sections->size(); ++i) {
    const Elf64_Shdr& section = (*sections)[i];
    if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL) continue;
    if (!IsWithin(section.sh_offset, section.sh_size, library.size())) {
      return Incomplete(fmt::format("its section {} ends behind the file", i));
    }
  }
  return absl::OkStatus();
}

std::optional<std::uint64_t> ValueOf(std::span<const Elf64_Dyn> entries, Elf64_Sxword tag) {
  const auto entry = std::ranges::find(entries, tag, &Elf64_Dyn::d_tag);
  if (tag == DT_NULL || entry == entries.end()) return std::nullopt;
  return entry->d_un.d_val;
}

absl::Status CheckDynamic(std::span<const char> library, std::span<const Elf64_Phdr> segments) {
  const auto segment = std::ranges::find(segments, Elf64_Word{PT_DYNAMIC}, &Elf64_Phdr::p_type);
  if (segment == segments.end()) return Incomplete("it has no dynamic table");
  const auto table = ReadTable<Elf64_Dyn>(library, segment->p_offset, segment->p_filesz / sizeof(Elf64_Dyn));
  if (!table || !IsLoaded(segments, segment->p_vaddr, segment->p_filesz)) {
    return Incomplete("its dynamic table is not loaded");
  }
  const auto end = std::ranges::find(*table, Elf64_Sxword{DT_NULL}, &Elf64_Dyn::d_tag);
  const std::span entries(table->begin(), end);
  if (end == table->end() || std::ranges::any_of(kNeeded, [&](auto tag) { return !ValueOf(entries, tag); })) {
    return Incomplete("its dynamic table is not whole");
  }
  for (const auto& [address_tag, size_tag] : kRanges) {
    const auto address = ValueOf(entries, address_tag);
    if (address && !IsLoaded(segments, *address, ValueOf(entries, size_tag).value_or(1))) {
      return Incomplete(fmt::format("entry {:#x} of its dynamic table points behind it", address_tag));
    }
  }
  const std::uint64_t strings_nbytes = *ValueOf(entries, DT_STRSZ);
  for (const Elf64_Dyn& entry : entries) {
    if ((entry.d_tag == DT_NEEDED || entry.d_tag == DT_SONAME) && entry.d_un.d_val >= strings_nbytes) {
      return Incomplete("a name in its dynamic table lies behind its strings");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckElf(std::span<const char> library) {
  const auto headers = ReadTable<Elf64_Ehdr>(library, 0, 1);
  if (!headers || !IsHeader(headers->front())) return Incomplete("it has no header of a 64-bit shared library");
  const Elf64_Ehdr& header = headers->front();
  const auto segments = ReadTable<Elf64_Phdr>(library, header.e_phoff, header.e_phnum);
  if (!segments || segments->empty()) return Incomplete("its table of segments ends behind the file");
  for (std::size_t i = 0; i < segments->size(); ++i) {
    if (!IsSegment((*segments)[i], library.size())) {
      return Incomplete(fmt::format("its segment {} ends behind the file", i));
    }
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckSections(library, header));
  return CheckDynamic(library, *segments);
}

}  // namespace tensorferry::inference
