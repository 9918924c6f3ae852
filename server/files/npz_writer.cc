#include "files/npz_writer.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>

#include "base/status.h"

namespace tensorferry {
namespace {

constexpr std::string_view kEmptyZip("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
// The records of a member, without its name, which they hold twice, and those at the end of the archive.
constexpr std::uint64_t kMaxMemberRecords = 256;
constexpr std::uint64_t kMaxEndRecords = 256;

using WritableZip = std::unique_ptr<zip_t, decltype(&zip_discard)>;

absl::Status ArchiveError(zip_t* archive) { return absl::UnknownError(zip_strerror(archive)); }

zip_buffer_fragment_t Fragment(std::string_view bytes) {
  return {.data = reinterpret_cast<zip_uint8_t*>(const_cast<char*>(bytes.data())), .length = bytes.size()};
}

// AddMember borrows the member until the archive is closed.
bool AddMember(zip_t* archive, const NpzMember& member) {
  std::vector<zip_buffer_fragment_t> parts{Fragment(member.header)};
  for (const std::string_view piece : member.elements) {
    if (!piece.empty()) parts.push_back(Fragment(piece));
  }
  zip_source_t* source = zip_source_buffer_fragment(archive, parts.data(), parts.size(), /*freep=*/0);
  if (source == nullptr) return false;
  const zip_int64_t index = zip_file_add(archive, (member.name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) zip_source_free(source);
  return index >= 0 &&
         zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, /*comp_flags=*/0) == 0;
}

absl::Status WriteMembers(WritableZip archive, std::span<const NpzMember> members) {
  for (const NpzMember& member : members) {
    if (!AddMember(archive.get(), member)) return ArchiveError(archive.get());
  }
  if (zip_close(archive.get()) != 0) return ArchiveError(archive.get());
  static_cast<void>(archive.release());  // zip_close has freed it.
  return absl::OkStatus();
}

// MemoryFile is a file of libzip's that is written to memory. Until then it does not exist, so nobody reads it.
class MemoryFile {
 public:
  MemoryFile() { zip_error_init(&error_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { zip_error_fini(&error_); }

  std::string& bytes() { return bytes_; }

  // Handle is a zip_source_callback, whose `file` is a MemoryFile.
  static zip_int64_t Handle(void* file, void* data, zip_uint64_t nbytes, zip_source_cmd_t command) {
    return static_cast<MemoryFile*>(file)->Do(data, nbytes, command);
  }

 private:
  zip_int64_t Do(void* data, zip_uint64_t nbytes, zip_source_cmd_t command) {
    switch (command) {
      case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_WRITABLE;
      case ZIP_SOURCE_STAT: return Fail(ZIP_ER_READ, ENOENT);
      case ZIP_SOURCE_ERROR: return zip_error_to_data(&error_, data, nbytes);
      case ZIP_SOURCE_WRITE: return Write(static_cast<const char*>(data), nbytes);
      case ZIP_SOURCE_TELL_WRITE: return static_cast<zip_int64_t>(position_);
      case ZIP_SOURCE_SEEK_WRITE: {
        const zip_int64_t to = zip_source_seek_compute_offset(position_, bytes_.size(), data, nbytes, &error_);
        if (to >= 0) position_ = static_cast<std::size_t>(to);
        return to < 0 ? -1 : 0;
      }
      case ZIP_SOURCE_BEGIN_WRITE:
      case ZIP_SOURCE_COMMIT_WRITE:
      case ZIP_SOURCE_ROLLBACK_WRITE:
      case ZIP_SOURCE_REMOVE:
      case ZIP_SOURCE_FREE: return 0;
      default: return Fail(ZIP_ER_OPNOTSUPP, 0);
    }
  }

  zip_int64_t Write(const char* data, zip_uint64_t nbytes) {
    try {
      const std::size_t inside = std::min(nbytes, bytes_.size() - position_);
      std::memcpy(bytes_.data() + position_, data, inside);
      bytes_.append(data + inside, nbytes - inside);
    } catch (const std::exception&) {  // std::bad_alloc or std::length_error.
      return Fail(ZIP_ER_MEMORY, 0);
    }
    position_ += nbytes;
    return static_cast<zip_int64_t>(nbytes);
  }

  zip_int64_t Fail(int code, int system_code) {
    zip_error_set(&error_, code, system_code);
    return -1;
  }

  std::string bytes_;
  std::size_t position_ = 0;
  zip_error_t error_;
};

absl::StatusOr<WritableZip> OpenInMemory(MemoryFile& file) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_error_t, decltype(&zip_error_fini)> fini(&error, zip_error_fini);
  zip_source_t* const source = zip_source_function_create(&MemoryFile::Handle, &file, &error);
  if (source == nullptr) return absl::UnknownError(zip_error_strerror(&error));
  WritableZip archive(zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error), zip_discard);
  if (archive != nullptr) return archive;
  zip_source_free(source);
  return absl::UnknownError(zip_error_strerror(&error));
}

}  // namespace

absl::Status WriteNpzFile(const std::string& path, std::span<const NpzMember> members) {
  if (members.empty()) {  // libzip deletes archives without members, but NumPy writes their end record.
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << kEmptyZip;
    file.close();
    return file ? absl::OkStatus() : absl::ErrnoToStatus(errno, path);
  }
  int code = 0;
  WritableZip archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code), zip_discard);
  if (archive == nullptr) return absl::ErrnoToStatus(errno, path);
  const absl::Status written = WriteMembers(std::move(archive), members);
  return written.ok() ? written : absl::UnknownError(fmt::format("{}: {}", path, std::string(written.message())));
}

absl::StatusOr<std::string> NpzBytes(std::span<const NpzMember> members) {
  if (members.empty()) return std::string(kEmptyZip);
  MemoryFile file;
  try {
    file.bytes().reserve(MaxNpzNbytes(members));
  } catch (const std::exception&) {  // std::bad_alloc or std::length_error.
    return absl::ResourceExhaustedError("no memory for the .npz file");
  }
  TENSORFERRY_ASSIGN_OR_RETURN(WritableZip archive, OpenInMemory(file));
  TENSORFERRY_RETURN_IF_ERROR(WriteMembers(std::move(archive), members));
  return std::move(file.bytes());
}

std::uint64_t MaxNpzNbytes(std::span<const NpzMember> members) {
  std::uint64_t nbytes = kMaxEndRecords;
  for (const NpzMember& member : members) {
    nbytes += kMaxMemberRecords + 2 * member.name.size() + member.header.size();
    for (const std::string_view piece : member.elements) nbytes += piece.size();
  }
  return nbytes;
}

}  // namespace tensorferry
