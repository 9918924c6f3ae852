// The safetensors files that are read here, make_files.py has written with the package of that name.
#include <gmock/gmock.h>

#include <cstdint>
#include <map>

#include "cli/outcome.h"
#include "files.h"
#include "payload/dtype.h"
#include "payload/dtype_text.h"
#include "tensorferry/client/array_file.h"
#include "tensorferry/client/array_writer.h"
#include "tensorferry/client/verify.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kAll = kFiles / "safetensors" / "all.safetensors";

std::map<std::string, Array> ArraysOf(const ArrayFile& file) {
  std::map<std::string, Array> arrays;
  for (const Array& array : file.arrays()) arrays[array.name] = array;
  return arrays;
}

TEST(SafetensorsFile, HasTheTensorsThatThePackageSaved) {
  const auto file = ArrayFile::Open(kAll);
  ASSERT_THAT(file, IsOk());
  std::map<std::string, Array> arrays = ArraysOf(*file);
  for (const auto& path : FilesIn("safetensors", ".digest")) {
    const std::string name = path.stem();
    ASSERT_TRUE(arrays.contains(name)) << name;
    EXPECT_EQ(Info(ParseDType(arrays[name].dtype, Fidelity::kConvert)->dtype).name, name);
    EXPECT_THAT(arrays[name].shape, ElementsAre(3, 5)) << name;
    EXPECT_EQ(cli::HexText(LocalDigest(arrays[name]).value()), ReadFile(path)) << name;
  }
  EXPECT_EQ(arrays.size(), 19 + 2);
  EXPECT_THAT(arrays["scalar"].shape, ElementsAre());
  EXPECT_THAT(arrays["empty"].shape, ElementsAre(0, 3));
}

TEST(SafetensorsFile, IsWrittenAsItWasRead) {
  std::vector<Tensor> tensors;
  const auto file = ArrayFile::Open(kAll);
  ASSERT_THAT(file, IsOk());
  for (const Array& array : file->arrays()) {
    const DTypeInfo& info = Info(ParseDType(array.dtype, Fidelity::kConvert)->dtype);
    tensors.push_back({.name = array.name,
                       .dtype = std::string(info.name),
                       .shape = array.shape,
                       .itemsize = static_cast<std::int32_t>(info.itemsize),
                       .data = std::string(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size())});
  }
  const std::string path = testing::TempDir() + "/written.safetensors";
  ASSERT_THAT(WriteSafetensors(path, tensors), IsOk());
  const auto written = ArrayFile::Open(path);
  ASSERT_THAT(written, IsOk());
  std::map<std::string, Array> arrays = ArraysOf(*written);
  ASSERT_EQ(arrays.size(), tensors.size());
  for (const Array& array : file->arrays()) {
    EXPECT_EQ(arrays[array.name].dtype, array.dtype);
    EXPECT_EQ(arrays[array.name].shape, array.shape);
    EXPECT_EQ(LocalDigest(arrays[array.name]).value(), LocalDigest(array).value()) << array.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arrays[array.name].bytes.data()) %
                  Info(ParseDType(array.dtype, Fidelity::kConvert)->dtype).itemsize,
              0);
  }
  std::filesystem::remove(path);
}

TEST(SafetensorsFile, IsKnownByItsContentOrElseByItsName) {
  const std::string text = testing::TempDir() + "/text.safetensors";
  std::ofstream(text) << "no header at all";
  EXPECT_THAT(ArrayFile::Open(text), Fails(Reason::kBadHeader, HasSubstr("at most 100000000")));
  const std::string renamed = testing::TempDir() + "/renamed.bin";
  std::filesystem::copy_file(kAll, renamed, std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(ArrayFile::Open(renamed), IsOk());
  std::filesystem::remove(text);
  std::filesystem::remove(renamed);
}

}  // namespace
}  // namespace tensorferry::client
