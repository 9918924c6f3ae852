// These tests judge the bytes of libraries. No library that was cut or changed is ever opened.
#include "inference/engine/elf_check.h"

#include <dlfcn.h>
#include <elf.h>
#include <gmock/gmock.h>
#include <link.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::HasSubstr;

const auto kIncomplete = Fails(Reason::kModelNotReady, HasSubstr("the library in the package is incomplete"));

// Returns the bytes of a library that this process has loaded.
std::string Loaded(const char* name) {
  void* const library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
  const link_map* map = nullptr;
  if (library == nullptr || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return {};
  std::ifstream file(map->l_name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// libtorch.so is small, and has everything that a package's library has.
const std::string& Library() {
  static const std::string library = Loaded("libtorch.so");
  return library;
}

template <typename T>
T Read(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// Returns the library with all bits set from `offset` on, over `nbytes` bytes.
std::string Overwritten(std::size_t offset, std::size_t nbytes) {
  std::string library = Library();
  return library.replace(offset, nbytes, nbytes, '\xff');
}

TEST(Elf, OfAGoodLibraryIsWhole) {
  for (const char* const name : {"libtorch.so", "libc10.so", "libgomp.so.1", "libc.so.6", "libstdc++.so.6"}) {
    const std::string library = Loaded(name);
    ASSERT_FALSE(library.empty()) << name;
    EXPECT_THAT(CheckElf(library), IsOk()) << name;
  }
}

TEST(Elf, ThatIsCutAnywhereIsIncomplete) {
  ASSERT_FALSE(Library().empty());
  for (std::size_t nbytes = 0; nbytes < Library().size(); ++nbytes) {
    ASSERT_THAT(CheckElf(std::string_view(Library()).substr(0, nbytes)), kIncomplete) << nbytes << " bytes are left";
  }
}

TEST(Elf, WhoseTablesAreOverwrittenIsIncomplete) {
  const auto header = Read<Elf64_Ehdr>(Library(), 0);
  EXPECT_THAT(CheckElf(Overwritten(0, sizeof(header))), kIncomplete);
  EXPECT_THAT(CheckElf(Overwritten(offsetof(Elf64_Ehdr, e_phoff), 8)), kIncomplete);
  EXPECT_THAT(CheckElf(Overwritten(offsetof(Elf64_Ehdr, e_shoff), 8)), kIncomplete);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    EXPECT_THAT(CheckElf(Overwritten(header.e_phoff + i * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr))), kIncomplete) << i;
  }
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    EXPECT_THAT(CheckElf(Overwritten(header.e_shoff + i * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr))), kIncomplete) << i;
  }
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = Read<Elf64_Phdr>(Library(), header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_DYNAMIC) continue;
    EXPECT_THAT(CheckElf(Overwritten(segment.p_offset, segment.p_filesz)), kIncomplete);
    std::string zeroed = Library();
    zeroed.replace(segment.p_offset, segment.p_filesz, segment.p_filesz, '\0');
    EXPECT_THAT(CheckElf(zeroed), kIncomplete) << "a hole in the file is read as zeros";
  }
}

TEST(Elf, IsReadWithinItsBoundsWhateverWasOverwritten) {
  for (std::size_t offset = 0; offset + 8 <= Library().size(); offset += 4) {
    for (const char fill : {'\xff', '\0', '\x7f'}) {
      std::string library = Library();
      library.replace(offset, 8, 8, fill);
      const absl::Status checked = CheckElf(library);
      ASSERT_TRUE(checked.ok() || DescribeError(checked).reason == Reason::kModelNotReady) << offset;
    }
  }
}

TEST(Elf, OfAnotherKindIsRefused) {
  EXPECT_THAT(CheckElf({}), kIncomplete);
  EXPECT_THAT(CheckElf(std::string_view("\x7f"
                                        "ELF")),
              kIncomplete);
  EXPECT_THAT(CheckElf(std::string(4096, '\0')), kIncomplete);
  std::string program = Library();
  const Elf64_Half type = ET_EXEC;
  std::memcpy(program.data() + offsetof(Elf64_Ehdr, e_type), &type, sizeof(type));
  EXPECT_THAT(CheckElf(program), kIncomplete);
}

}  // namespace
}  // namespace tensorferry::inference
