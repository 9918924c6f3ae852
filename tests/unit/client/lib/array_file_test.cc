#include "tensorferry/client/array_file.h"

#include <gmock/gmock.h>

#include <ostream>

#include "files.h"
#include "lib/npz_reader.h"
#include "payload/npy.h"
#include "tensorferry/client/verify.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::vector<std::string> NamesOf(const ArrayFile& file) {
  std::vector<std::string> names;
  for (const Array& array : file.arrays()) names.push_back(array.name);
  return names;
}

TEST(ArrayFile, NamesAnNpyAfterItsFile) {
  const auto path = kFiles / "plain" / "int16-3.npy";
  const auto file = ArrayFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT(NamesOf(*file), ElementsAre("int16-3"));
  EXPECT_EQ(file->arrays()[0].bytes.size(), std::filesystem::file_size(path));
}

class ArchiveRead : public testing::TestWithParam<std::string> {};

TEST_P(ArchiveRead, ToTheElementsThatNumPySaved) {
  const auto file = ArrayFile::Open(kFiles / "archives" / (GetParam() + ".npz"));
  ASSERT_THAT(file, IsOk());
  ASSERT_FALSE(file->arrays().empty());
  for (const Array& array : file->arrays()) {
    const std::string_view npy(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
    const auto header = ParseNpyHeader(npy);
    ASSERT_THAT(header, IsOk());
    EXPECT_EQ(header->descr, ">f4");
    EXPECT_EQ(npy.substr(header->data_offset + 4 * 999), std::string_view("\x44\x79\xC0\x00", 4));  // 999.0
  }
}

INSTANTIATE_TEST_SUITE_P(Written, ArchiveRead, testing::Values("stored", "deflated", "piped", "extra"),
                         [](const auto& test) { return test.param; });

TEST(ArrayFile, NamesMembersAsNumPyDoes) {
  EXPECT_THAT(NamesOf(*ArrayFile::Open(kFiles / "archives" / "stored.npz")), UnorderedElementsAre("x", "arr_0"));
}

TEST(ArrayFile, ListsMembersThatAreNotArrays) {
  EXPECT_THAT(ArrayFile::Open(kFiles / "archives" / "extra.npz")->skipped_members(), ElementsAre("readme.txt"));
}

TEST(ArrayFile, TakesAnArchiveWithoutMembers) {
  const auto file = ArrayFile::Open(kFiles / "archives" / "empty.npz");
  ASSERT_THAT(file, IsOk());
  EXPECT_TRUE(file->arrays().empty());
}

TEST(ArrayFile, SaysThatAFileIsNotThere) {
  EXPECT_EQ(ArrayFile::Open(kFiles / "none.npy").status().code(), absl::StatusCode::kNotFound);
}

struct DamagedCase {
  std::string name, reason;
  friend void PrintTo(const DamagedCase& c, std::ostream* out) { *out << c.name; }
};
class ArchiveRefused : public testing::TestWithParam<DamagedCase> {};

TEST_P(ArchiveRefused, SayingWhy) {
  const auto file = ArrayFile::Open(kFiles / "archives" / (GetParam().name + ".npz"));
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(Damaged, ArchiveRefused,
                         testing::ValuesIn(std::vector<DamagedCase>{
                             {"checksum", "CRC error"},
                             {"truncated", "Not a zip archive"},
                             {"size", "its header has size"},
                             {"overlap", "it overlaps what follows it"},
                             {"twice", "it is there twice"},
                             {"encrypted", "is encrypted"},
                             {"bzip2", "packed by method 12"},
                             {"lzma", "packed by method 14"},
                             {"nothing", "neither a .npy, a .npz nor a safetensors file"},
                             {"text", "neither a .npy, a .npz nor a safetensors file"},
                             {"zip_magic", "Not a zip archive"},
                         }),
                         [](const auto& test) { return test.param.name; });

// Python's zipfile is the oracle: make_files.py has it read what is read here.
TEST(ArrayFile, TakesLocalHeadersThatLeaveFieldsToTheDirectory) {
  const auto paths = FilesIn("layouts", ".npz");
  ASSERT_EQ(paths.size(), 54);
  for (const auto& path : paths) {
    const auto file = ArrayFile::Open(path);
    if (path.filename().string().starts_with("read-")) {
      EXPECT_THAT(file, IsOk()) << path;
    } else {
      EXPECT_THAT(std::string(file.status().message()), HasSubstr("member 'x.npy': its header has ")) << path;
    }
  }
}

TEST(ArrayReader, ReadsTheOtherMembersOfAnArchiveWithADamagedOne) {
  auto reader = ArrayReader::Open(kFiles / "archives" / "checksum.npz");
  ASSERT_THAT(reader, IsOk());
  ASSERT_EQ(reader->names().size(), 2);
  EXPECT_THAT(std::string(reader->Read(0).status().message()), HasSubstr("CRC error"));
  EXPECT_THAT(reader->Read(1), IsOk());
  EXPECT_THAT(reader->CheckWhole(), IsOk());
}

class ShrinkingFile : public testing::TestWithParam<std::string> {};

TEST_P(ShrinkingFile, IsToldApartFromAWholeOne) {
  const std::filesystem::path path =
      testing::TempDir() + "/shrinking-" + std::filesystem::path(GetParam()).filename().string();
  std::filesystem::copy_file(kFiles / GetParam(), path, std::filesystem::copy_options::overwrite_existing);
  auto reader = ArrayReader::Open(path);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(reader->CheckWhole(), IsOk());
  std::filesystem::resize_file(path, 10);
  const auto array = reader->Read(0);
  if (array.ok()) LocalDigest(*array).IgnoreError();  // Touches every page that is gone.
  EXPECT_EQ(reader->CheckWhole().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ShrinkingFile,
                         testing::Values("digests/float64-little-2-C.npy", "archives/stored.npz",
                                         "archives/deflated.npz"),
                         [](const auto& test) { return std::to_string(test.index); });

absl::Status OpenNpz(const std::string& name, const NpzLimits& limits) {
  return NpzReader::Open(Own(ReadFile(kFiles / "archives" / name)), limits).status();
}

TEST(NpzReader, StopsAtItsLimitsBeforeUnpacking) {
  EXPECT_EQ(OpenNpz("bomb.npz", {.max_bytes = (1 << 20) - 1}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(OpenNpz("stored.npz", {.max_members = 1}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(OpenNpz("bomb.npz", {.max_bytes = 1 << 20}), IsOk());
}

}  // namespace
}  // namespace tensorferry::client
