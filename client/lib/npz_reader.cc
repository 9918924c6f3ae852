#include "lib/npz_reader.h"

#include <fmt/format.h>
#include <zip.h>

#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace tensorferry::client {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // A deflate stream cannot unpack to more per byte.

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

absl::Status Damaged(std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("not a readable .npz file: {}", why));
}

absl::StatusOr<Archive> OpenArchive(std::span<const std::byte> file) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_error_t, decltype(&zip_error_fini)> fini(&error, zip_error_fini);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), /*freep=*/0, &error);
  if (source == nullptr) return Damaged(zip_error_strerror(&error));
  Archive archive(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
  if (archive == nullptr) {
    zip_source_free(source);
    return Damaged(zip_error_strerror(&error));
  }
  return archive;
}

// Refuses what cannot or should not be unpacked, by what the central directory says of it.
absl::StatusOr<zip_stat_t> CheckMember(zip_t* archive, zip_uint64_t index, std::string_view name) {
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(archive, index, 0, &stat) != 0 || (stat.valid & kNeeded) != kNeeded) {
    return Damaged(fmt::format("no sizes for member {}", Quote(name)));
  }
  if (stat.encryption_method != ZIP_EM_NONE) return Damaged(fmt::format("member {} is encrypted", Quote(name)));
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    return Damaged(fmt::format("member {} is packed by method {}; NumPy stores (0) or deflates (8)", Quote(name),
                               stat.comp_method));
  }
  if (stat.size / kMaxDeflateRatio > stat.comp_size) {
    return Damaged(fmt::format("member {} says that {} bytes unpack to {}", Quote(name), stat.comp_size, stat.size));
  }
  return stat;
}

absl::StatusOr<std::string> Unpack(zip_t* archive, zip_uint64_t index, std::string_view name, std::uint64_t nbytes) {
  const std::unique_ptr<zip_file_t, Discard> member(zip_fopen_index(archive, index, 0));
  if (member == nullptr) return Damaged(fmt::format("member {}: {}", Quote(name), zip_strerror(archive)));
  std::string content;
  try {
    content.resize(nbytes);
  } catch (const std::exception&) {  // bad_alloc, or length_error.
    return absl::ResourceExhaustedError(fmt::format("no memory for member {} of {} bytes", Quote(name), nbytes));
  }
  // One read more than the elements need: the checksum is compared at the end of the member.
  char beyond = 0;
  const zip_int64_t count = zip_fread(member.get(), content.data(), nbytes);
  const zip_int64_t rest = count < 0 ? 0 : zip_fread(member.get(), &beyond, 1);
  if (count < 0 || rest < 0) {
    return Damaged(fmt::format("member {}: {}", Quote(name), zip_file_strerror(member.get())));
  }
  if (static_cast<std::uint64_t>(count) != nbytes || rest != 0) {
    return Damaged(fmt::format("member {} does not unpack to {} bytes", Quote(name), nbytes));
  }
  return content;
}

}  // namespace

absl::StatusOr<NpzContent> ReadNpz(std::span<const std::byte> file, const NpzLimits& limits) {
  TENSORFERRY_ASSIGN_OR_RETURN(const Archive archive, OpenArchive(file));
  const auto count = static_cast<std::uint64_t>(zip_get_num_entries(archive.get(), 0));
  if (count > limits.max_members) {
    return absl::ResourceExhaustedError(
        fmt::format(".npz with {} members, at most {} are taken", count, limits.max_members));
  }

  struct Entry {
    zip_uint64_t index;
    std::string name;
    std::uint64_t nbytes;
  };
  std::vector<Entry> entries;
  NpzContent content;
  std::uint64_t left = limits.max_bytes;
  for (zip_uint64_t i = 0; i < count; ++i) {
    const char* const name = zip_get_name(archive.get(), i, 0);
    if (name == nullptr) return Damaged(zip_strerror(archive.get()));
    if (!std::string_view(name).ends_with(kSuffix)) {
      content.skipped.emplace_back(name);
      continue;
    }
    TENSORFERRY_ASSIGN_OR_RETURN(const zip_stat_t stat, CheckMember(archive.get(), i, name));
    if (stat.size > left) {
      return absl::ResourceExhaustedError(fmt::format(".npz unpacks to more than {} bytes", limits.max_bytes));
    }
    left -= stat.size;
    entries.push_back({i, name, stat.size});
  }
  for (Entry& entry : entries) {
    TENSORFERRY_ASSIGN_OR_RETURN(std::string npy, Unpack(archive.get(), entry.index, entry.name, entry.nbytes));
    entry.name.resize(entry.name.size() - kSuffix.size());
    content.arrays.push_back({std::move(entry.name), Own(std::move(npy))});
  }
  return content;
}

}  // namespace tensorferry::client
