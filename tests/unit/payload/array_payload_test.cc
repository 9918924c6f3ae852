#include "payload/array_payload.h"

#include <gmock/gmock.h>
#include <xxhash.h>

#include <cstring>

#include "testing/arrays.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry {
namespace {

Digest Xxh3(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Digest digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

absl::StatusOr<ArrayPayload> Assemble(const ArrayHeader& header, std::span<const std::byte> bytes, BufferPool& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayAssembler assembler, ArrayAssembler::Start(header, {.digest = true}, pool));
  ArrayAssembler moved = std::move(assembler);
  TENSORFERRY_RETURN_IF_ERROR(moved.Append(bytes.first(bytes.size() / 3)));
  TENSORFERRY_RETURN_IF_ERROR(moved.Append(bytes.subspan(bytes.size() / 3)));
  EXPECT_EQ(moved.missing(), 0u);
  return std::move(moved).Finish();
}

TEST(ArrayAssembler, TakesTheDigestOfCOrder) {
  TestMemory memory(1 << 20);
  const auto bytes = RandomBytes(2 * 3 * 4);
  const auto c_order = Assemble(GoodHeader("<i4", {2, 3}), bytes, memory.pool);
  ASSERT_THAT(c_order, IsOk());
  EXPECT_EQ(c_order->copied.digest, Xxh3(bytes));
  EXPECT_EQ(AsText({c_order->elements.data(), 24}), AsText(bytes));

  // The elements are in memory column by column, but are digested row by row.
  std::vector<std::byte> rows;
  for (const std::size_t element : {0u, 2u, 4u, 1u, 3u, 5u}) {
    rows.insert(rows.end(), bytes.begin() + static_cast<long>(4 * element),
                bytes.begin() + static_cast<long>(4 * element + 4));
  }
  const auto fortran_order = Assemble(GoodHeader("<i4", {2, 3}, true), bytes, memory.pool);
  ASSERT_THAT(fortran_order, IsOk());
  EXPECT_EQ(fortran_order->copied.digest, Xxh3(rows));
  EXPECT_EQ(AsText({fortran_order->elements.data(), 24}), AsText(bytes)) << "memory keeps the order sent";
}

TEST(ArrayAssembler, HasADigestForNoElements) {
  TestMemory memory(1 << 20);
  EXPECT_EQ(Assemble(GoodHeader("<f8", {3, 0}), {}, memory.pool)->copied.digest, Xxh3({}));
}

TEST(ArrayAssembler, HoldsItsBudgetWhileThePayloadLives) {
  TestMemory memory(100);
  {
    const auto payload = Assemble(GoodHeader("<i4", {25}), RandomBytes(100), memory.pool);
    ASSERT_THAT(payload, IsOk());
    EXPECT_EQ(memory.budget.used(), 100u);
    EXPECT_THAT(ArrayAssembler::Start(GoodHeader("<i4", {1}), {}, memory.pool), Fails(Reason::kMemoryBudget));
  }
  EXPECT_EQ(memory.budget.used(), 0u);
}

TEST(ArrayAssembler, HoldsNothingOfTheBudgetForWhatIsStillToCome) {
  TestMemory memory(100);
  const std::vector<std::byte> bytes = RandomBytes(100);
  auto announced = ArrayAssembler::Start(GoodHeader("<i4", {25}), {}, memory.pool, Arrival::kLater);
  auto other = ArrayAssembler::Start(GoodHeader("<i4", {25}), {}, memory.pool, Arrival::kLater);
  ASSERT_THAT(announced, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(memory.budget.used(), 0u);
  EXPECT_THAT(announced->Append(std::span(bytes).first(1)), IsOk());
  EXPECT_EQ(memory.budget.used(), 100u) << "less than a step is admitted whole";
  EXPECT_THAT(other->Append(std::span(bytes).first(1)), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(announced->Append(std::span(bytes).subspan(1)), IsOk());
  EXPECT_EQ(AsText({std::move(*announced).Finish().data(), 100}), AsText(bytes));
}

}  // namespace
}  // namespace tensorferry
