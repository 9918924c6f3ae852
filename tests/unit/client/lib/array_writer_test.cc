#include "tensorferry/client/array_writer.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "files.h"
#include "payload/npy.h"
#include "tensorferry/client/array_file.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

class ArrayWriterTest : public testing::Test {
 protected:
  ArrayWriterTest() {
    std::string name = testing::TempDir() + "/client_test.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    folder_ = name;
  }
  ~ArrayWriterTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

// TensorOf is the tensor that the server returns for a file named DTYPE-N.npy.
Tensor TensorOf(const std::filesystem::path& path) {
  const std::string file = ReadFile(path);
  const NpyHeader header = ParseNpyHeader(file).value();
  const std::string stem = path.stem();
  return {.name = stem,
          .dtype = stem.substr(0, stem.find('-')),
          .shape = {header.shape.begin(), header.shape.end()},
          .data = file.substr(header.data_offset)};
}

TEST_F(ArrayWriterTest, WritesByteForByteWhatNumPyWritesOrAVoidThatItReads) {
  const auto paths = FilesIn("plain", ".npy");
  ASSERT_GT(paths.size(), 100);
  for (const auto& path : paths) {
    ASSERT_THAT(WriteNpy(folder_ / "x.npy", TensorOf(path)), IsOk());
    EXPECT_EQ(ReadFile(folder_ / "x.npy"), ReadFile(path)) << path;
  }
}

TEST_F(ArrayWriterTest, WritesArchivesThatHoldTheSameFiles) {
  std::vector<Tensor> tensors;
  for (const auto& path : FilesIn("plain", ".npy")) tensors.push_back(TensorOf(path));
  ASSERT_THAT(WriteNpz(folder_ / "all.npz", tensors), IsOk());
  const auto file = ArrayFile::Open(folder_ / "all.npz");
  ASSERT_THAT(file, IsOk());
  ASSERT_EQ(file->arrays().size(), tensors.size());
  for (const Array& array : file->arrays()) {
    const std::string saved(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
    EXPECT_EQ(saved, ReadFile(kFiles / "plain" / (array.name + ".npy"))) << array.name;
  }
}

TEST_F(ArrayWriterTest, WritesAnArchiveWithoutMembers) {
  ASSERT_THAT(WriteNpz(folder_ / "empty.npz", {}), IsOk());
  EXPECT_EQ(ReadFile(folder_ / "empty.npz"), ReadFile(kFiles / "archives" / "empty.npz"));
}

TEST_F(ArrayWriterTest, RefusesATensorWithoutElements) {
  EXPECT_EQ(WriteNpy(folder_ / "x.npy", {.name = "x", .dtype = "int8"}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ArrayWriterTest, SaysWhereItCouldNotWrite) {
  const absl::Status status = WriteNpy(folder_ / "none" / "x.npy", {.dtype = "int8", .data = std::string("x")});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("none/x.npy"));
}

}  // namespace
}  // namespace tensorferry::client
