#include "files/npz_reader.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <span>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "files/zip_layout.h"

namespace tensorferry {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // Deflate packs no more into a byte.

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Zip = std::unique_ptr<zip_t, Discard>;
using MemberStream = std::unique_ptr<zip_file_t, Discard>;

absl::Status Damaged(std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("not a readable .npz file: {}", why));
}

absl::StatusOr<Zip> OpenZip(std::span<const std::byte> file) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_error_t, decltype(&zip_error_fini)> fini(&error, zip_error_fini);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), /*freep=*/0, &error);
  if (source == nullptr) return Damaged(zip_error_strerror(&error));
  Zip archive(zip_open_from_source(source, ZIP_RDONLY, &error));
  if (archive == nullptr) {
    zip_source_free(source);
    return Damaged(zip_error_strerror(&error));
  }
  return archive;
}

// Agree returns whether libzip has found the members of ReadZipLayout: two readers must not see two archives in one
// file.
bool Agree(zip_t* zip, const std::vector<ZipMember>& members) {
  if (static_cast<std::uint64_t>(zip_get_num_entries(zip, 0)) != members.size()) return false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    const char* const name = zip_get_name(zip, i, ZIP_FL_ENC_RAW);
    if (name == nullptr || zip_stat_index(zip, i, 0, &stat) != 0) return false;
    if (members[i].name != name || stat.size != members[i].nbytes || stat.comp_size != members[i].packed.size()) {
      if (members[i].status.ok()) return false;
    }
  }
  return true;
}

// Check refuses, by its directory entry, a member that cannot or should not be unpacked.
absl::Status Check(const ZipMember& member) {
  constexpr std::uint16_t kEncrypted = 1;
  if (!member.status.ok()) return Damaged(std::string(member.status.message()));
  if ((member.flags & kEncrypted) != 0) return Damaged(fmt::format("member {} is encrypted", Quote(member.name)));
  if (member.method != ZIP_CM_STORE && member.method != ZIP_CM_DEFLATE) {
    return Damaged(fmt::format("member {} is packed by method {}; NumPy stores (0) or deflates (8)", Quote(member.name),
                               member.method));
  }
  if (member.method == ZIP_CM_STORE ? member.nbytes != member.packed.size()
                                    : member.nbytes / kMaxDeflateRatio > member.packed.size()) {
    return Damaged(fmt::format("member {} says that {} bytes unpack to {}", Quote(member.name), member.packed.size(),
                               member.nbytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<TakenMemory> TakeFromHeap(std::size_t nbytes) {
  try {
    std::shared_ptr<std::byte[]> memory(new std::byte[nbytes]);  // Not initialised: pages come as they are written.
    const std::span<std::byte> bytes(memory.get(), nbytes);
    return TakenMemory{std::move(memory), bytes};
  } catch (const std::exception&) {  // std::bad_alloc or std::bad_array_new_length.
    return absl::ResourceExhaustedError("");
  }
}

}  // namespace

struct NpzReader::Archive {
  OwnedBytes file;
  NpzLimits limits;
  Zip zip;
  std::vector<ZipMember> members;
  std::vector<std::size_t> arrays;  // An index of `members` for each of names().

  MemberStream Start(std::size_t index) { return MemberStream(zip_fopen_index(zip.get(), index, 0)); }

  // IsNoArray returns false if it cannot tell: reading the member then gives the reason.
  bool IsNoArray(std::size_t index) {
    const ZipMember& member = members[index];
    if (!Check(member).ok()) return false;
    std::array<char, kMagic.size()> begin{};
    const MemberStream stream = Start(index);
    const zip_int64_t count = stream == nullptr ? -1 : zip_fread(stream.get(), begin.data(), begin.size());
    return count >= 0 && std::string_view(begin.data(), static_cast<std::size_t>(count)) != kMagic;
  }

  absl::Status Failed(std::size_t index, std::string_view why) {
    return Damaged(fmt::format("member {}: {}", Quote(members[index].name), why));
  }

  absl::StatusOr<TakenMemory> Take(std::size_t index) {
    const ZipMember& member = members[index];
    if (limits.take_memory) return limits.take_memory(member.nbytes);
    absl::StatusOr<TakenMemory> taken = TakeFromHeap(member.nbytes);
    if (taken.ok()) return taken;
    return absl::ResourceExhaustedError(
        fmt::format("no memory for member {} of {} bytes", Quote(member.name), member.nbytes));
  }

  // ReadBlocks unpacks a member block by block. libzip compares the checksum at its end.
  template <typename Take>
  absl::Status ReadBlocks(std::size_t index, Take take) {
    const MemberStream stream = Start(index);
    if (stream == nullptr) return Failed(index, zip_strerror(zip.get()));
    std::array<char, 64 * 1024> block;
    while (true) {
      const zip_int64_t count = zip_fread(stream.get(), block.data(), block.size());
      if (count < 0) return Failed(index, zip_file_strerror(stream.get()));
      if (count == 0) return absl::OkStatus();
      take(std::string_view(block.data(), static_cast<std::size_t>(count)));
    }
  }
};

NpzReader::NpzReader(std::unique_ptr<Archive> archive) : archive_(std::move(archive)) {}
NpzReader::NpzReader(NpzReader&&) noexcept = default;
NpzReader& NpzReader::operator=(NpzReader&&) noexcept = default;
NpzReader::~NpzReader() = default;

absl::StatusOr<NpzReader> NpzReader::Open(OwnedBytes file, NpzLimits limits) {
  auto members =
      ReadZipLayout(file.bytes, {.max_members = limits.max_members, .max_directory_bytes = limits.max_directory_bytes});
  if (absl::IsResourceExhausted(members.status())) return members.status();
  if (!members.ok()) return Damaged(std::string(members.status().message()));
  TENSORFERRY_ASSIGN_OR_RETURN(Zip zip, OpenZip(file.bytes));
  if (!Agree(zip.get(), *members)) return Damaged("it can be read as two archives");
  NpzReader reader(std::make_unique<Archive>(Archive{.file = std::move(file),
                                                     .limits = std::move(limits),
                                                     .zip = std::move(zip),
                                                     .members = *std::move(members),
                                                     .arrays = {}}));
  TENSORFERRY_RETURN_IF_ERROR(reader.Sort());
  return reader;
}

// Sort tells arrays from other members.
absl::Status NpzReader::Sort() {
  std::uint64_t left = archive_->limits.max_bytes;
  for (std::size_t i = 0; i < archive_->members.size(); ++i) {
    std::string name = zip_get_name(archive_->zip.get(), i, 0);  // libzip returns UTF-8, whatever the archive holds.
    if (archive_->IsNoArray(i)) {
      skipped_.push_back(std::move(name));
      continue;
    }
    const std::uint64_t nbytes = archive_->members[i].nbytes;
    if (nbytes > left) {
      return absl::ResourceExhaustedError(
          fmt::format(".npz unpacks to more than {} bytes", archive_->limits.max_bytes));
    }
    left -= nbytes;
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    names_.push_back(std::move(name));
    archive_->arrays.push_back(i);
  }
  return absl::OkStatus();
}

absl::StatusOr<OwnedBytes> NpzReader::Read(std::size_t i) {
  const std::size_t index = archive_->arrays[i];
  const ZipMember& member = archive_->members[index];
  TENSORFERRY_RETURN_IF_ERROR(Check(member));
  if (member.method == ZIP_CM_STORE) {
    TENSORFERRY_RETURN_IF_ERROR(archive_->ReadBlocks(index, [](std::string_view) {}));
    return OwnedBytes{archive_->file.memory, member.packed};
  }
  TENSORFERRY_ASSIGN_OR_RETURN(TakenMemory taken, archive_->Take(index));
  std::size_t filled = 0;
  bool fits = true;
  TENSORFERRY_RETURN_IF_ERROR(archive_->ReadBlocks(index, [&](std::string_view block) {
    fits = fits && block.size() <= taken.bytes.size() - filled;
    if (!fits) return;
    std::ranges::copy(std::as_bytes(std::span(block)), taken.bytes.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += block.size();
  }));
  if (!fits || filled != member.nbytes) {
    return archive_->Failed(index, fmt::format("it does not unpack to {} bytes", member.nbytes));
  }
  return OwnedBytes{std::move(taken.memory), taken.bytes};
}

}  // namespace tensorferry
