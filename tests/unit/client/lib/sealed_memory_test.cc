#include "lib/sealed_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "testing/arrays.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

ChunkedElements ElementsOf(const std::string& bytes, std::size_t swap_width) {
  return {.bytes = std::as_bytes(std::span(bytes)), .owner = nullptr, .swap_width = swap_width};
}

std::string ContentOf(const SealedMemory& memory) {
  struct stat status {};
  fstat(memory.file(), &status);
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t got = pread(memory.file(), content.data(), content.size(), 0);
  return got == std::ssize(content) ? content : "cannot be read";
}

TEST(SealedCopy, HoldsTheElementsForGood) {
  std::string bytes(3'000'001, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  const auto copy = SealedCopy(ElementsOf(bytes, 1));
  ASSERT_THAT(copy, IsOk());
  const int file = copy->memory->file();
  EXPECT_EQ(fcntl(file, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
            F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  EXPECT_EQ(pwrite(file, "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(file, 1), -1);
  EXPECT_EQ(ContentOf(*copy->memory), bytes);
  EXPECT_EQ(copy->memory->nbytes(), bytes.size());
}

TEST(SealedCopy, ReversesTheBytesOfWords) {
  const auto copy = SealedCopy(ElementsOf("abcdefgh", 4));
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(ContentOf(*copy->memory), "dcbahgfe");
}

TEST(Readable, HasTheElementsOfSealedMemory) {
  const std::string bytes = "0123456789";
  const auto copy = SealedCopy(ElementsOf(bytes, 1));
  ASSERT_THAT(copy, IsOk());
  const Array whole{.name = "x", .dtype = "u1", .shape = {4}, .bytes = std::as_bytes(std::span(bytes)).first(4)};
  const Array placed = WithElements(whole, {.memory = copy->memory, .offset = 3});
  const auto readable = Readable(placed);
  ASSERT_THAT(readable, IsOk());
  EXPECT_EQ(AsText(readable->bytes), "3456");
  EXPECT_EQ(readable->name, "x");
  const auto other = Readable(whole);
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(other->bytes.data(), whole.bytes.data());
}

}  // namespace
}  // namespace tensorferry::client
