#include "lib/sealed_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

ChunkedElements ElementsOf(const std::string& bytes, std::size_t swap_width) {
  return {.bytes = std::as_bytes(std::span(bytes)), .owner = nullptr, .swap_width = swap_width};
}

std::string ContentOf(const FileDescriptor& memory) {
  struct stat status {};
  fstat(memory.get(), &status);
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t got = pread(memory.get(), content.data(), content.size(), 0);
  return got == std::ssize(content) ? content : "cannot be read";
}

TEST(SealedCopy, HoldsTheElementsForGood) {
  std::string bytes(3'000'001, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  const auto memory = SealedCopy(ElementsOf(bytes, 1));
  ASSERT_THAT(memory, IsOk());
  EXPECT_EQ(fcntl(memory->get(), F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
            F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  EXPECT_EQ(pwrite(memory->get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(memory->get(), 1), -1);
  EXPECT_EQ(ContentOf(*memory), bytes);
}

TEST(SealedCopy, ReversesTheBytesOfWords) {
  const auto memory = SealedCopy(ElementsOf("abcdefgh", 4));
  ASSERT_THAT(memory, IsOk());
  EXPECT_EQ(ContentOf(*memory), "dcbahgfe");
}

}  // namespace
}  // namespace tensorferry::client
