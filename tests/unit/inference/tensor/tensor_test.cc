#include "inference/tensor/tensor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/imag.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include <limits>

#include "inference/tensor/torch_dtype.h"
#include "testing/payloads.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

std::string_view Bytes(const TensorElements& elements) { return AsText(elements.bytes); }

TEST(MakeTensor, GivesEveryDTypeTheTorchDTypeOfItsName) {
  TestMemory memory(1 << 20);
  for (const DTypeInfo& row : kDTypes) {
    const at::Tensor tensor = MakeTensor(GoodArray("x", row.name, {2, 3}, memory.pool).payload);
    EXPECT_EQ(FromTorch(tensor.scalar_type()), row.dtype);
    const auto metadata = Describe({"x", tensor}, kUnlimited);
    ASSERT_THAT(metadata, IsOk()) << row.name;
    EXPECT_EQ(metadata->dtype, row.name);
    EXPECT_EQ(metadata->itemsize, static_cast<std::int64_t>(row.itemsize));
    EXPECT_EQ(metadata->nbytes, static_cast<std::int64_t>(6 * row.itemsize));
    EXPECT_EQ(metadata->device, "cpu");
  }
}

TEST(MakeTensor, OwnsThePayloadsMemoryAndItsBudget) {
  TestMemory memory(1 << 20);
  ArrayPayload payload = GoodArray("x", "<f4", {8}, memory.pool).payload;
  const std::byte* const data = payload.elements.data();
  at::Tensor tensor = MakeTensor(std::move(payload));
  EXPECT_EQ(tensor.const_data_ptr(), data) << "no copy";
  const at::Tensor view = tensor.slice(0, 2, 4);
  tensor.reset();
  EXPECT_EQ(memory.budget.used(), 32u) << "a view keeps the memory";
  const_cast<at::Tensor&>(view).reset();
  EXPECT_EQ(memory.budget.used(), 0u);
}

TEST(MakeTensor, KeepsLayouts) {
  TestMemory memory(1 << 20);
  const auto strides = [&](const std::vector<std::int64_t>& shape, bool fortran_order) {
    const at::Tensor tensor = MakeTensor(GoodArray("x", "<f8", shape, memory.pool, fortran_order).payload);
    EXPECT_EQ(tensor.sizes().vec(), shape);
    return tensor.strides().vec();
  };
  EXPECT_THAT(strides({}, false), ElementsAre());
  EXPECT_THAT(strides({2, 3}, false), ElementsAre(3, 1));
  EXPECT_THAT(strides({2, 3}, true), ElementsAre(1, 2));
  EXPECT_THAT(strides({0, 2}, false), ElementsAre(2, 1));
  EXPECT_THAT(strides({2, 0}, true), ElementsAre(1, 2));
  EXPECT_THAT(strides({0, std::int64_t{1} << 62}, false), ElementsAre(std::int64_t{1} << 62, 1));
  EXPECT_EQ(strides(std::vector<std::int64_t>(64, 1), false).size(), 64u);
}

TEST(ElementsOf, GivesCOrderAndSharesMemoryWhereItIsThatAlready) {
  TestMemory memory(1 << 20);
  const at::Tensor rows = MakeTensor(GoodArray("x", "<i4", {2, 3}, memory.pool).payload);
  const auto shared = ElementsOf(rows, Elements::kShared, memory.pool);
  ASSERT_THAT(shared, IsOk());
  EXPECT_EQ(shared->bytes.data(), rows.const_data_ptr());
  const at::Tensor columns = rows.t().contiguous().t();
  EXPECT_EQ(columns.strides().vec(), (std::vector<std::int64_t>{1, 2}));
  const auto copied = ElementsOf(columns, Elements::kShared, memory.pool);
  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(Bytes(*copied), Bytes(*shared));
}

TEST(ElementsOf, CountsACopyInTheBudgetForAsLongAsItIsThere) {
  TestMemory memory(100);
  const at::Tensor columns = at::ones({3, 5}).t();
  {
    const auto elements = ElementsOf(columns, Elements::kShared, memory.pool);
    ASSERT_THAT(elements, IsOk());
    EXPECT_EQ(memory.budget.used(), 60u);
    EXPECT_THAT(ElementsOf(columns, Elements::kShared, memory.pool), Fails(Reason::kMemoryBudget));
  }
  EXPECT_EQ(memory.budget.used(), 0u);
}

TEST(ElementsOf, SaysThatACopyWillNeverFitBesideTheTensor) {
  TestMemory memory(100);
  const at::Tensor columns = MakeTensor(GoodArray("x", "<f4", {3, 5}, memory.pool, /*fortran_order=*/true).payload);
  EXPECT_THAT(ElementsOf(columns, Elements::kShared, memory.pool), Fails(Reason::kTensorTooLarge));
}

TEST(CopyOf, HasTheStridesOfTheTensor) {
  TestMemory memory(1 << 20);
  for (const bool fortran_order : {false, true}) {
    const at::Tensor tensor = MakeTensor(GoodArray("x", "<i4", {2, 3}, memory.pool, fortran_order).payload);
    const auto copy = CopyOf(tensor, memory.pool);
    ASSERT_THAT(copy, IsOk());
    EXPECT_EQ(copy->strides(), tensor.strides());
    EXPECT_TRUE(copy->equal(tensor));
    EXPECT_NE(copy->const_data_ptr(), tensor.const_data_ptr());
    EXPECT_EQ(memory.budget.used(), 48u);
  }
  const auto nothing = CopyOf(MakeTensor(GoodArray("x", "<i4", {0, 3}, memory.pool).payload), memory.pool);
  ASSERT_THAT(nothing, IsOk());
  EXPECT_EQ(nothing->sizes().vec(), (std::vector<std::int64_t>{0, 3}));
}

TEST(ElementsOf, ResolvesConjugateViews) {
  TestMemory memory(1 << 20);
  const at::Tensor tensor = MakeTensor(GoodArray("x", "<c8", {4}, memory.pool).payload);
  const auto elements = ElementsOf(tensor.conj(), Elements::kShared, memory.pool);
  const auto expected = ElementsOf(tensor.conj_physical(), Elements::kShared, memory.pool);
  ASSERT_THAT(elements, IsOk());
  ASSERT_THAT(expected, IsOk());
  EXPECT_EQ(Bytes(*elements), Bytes(*expected));
}

// The copy is right in whatever form the tensor shows its memory.
TEST(ElementsOf, CopiesMemoryThatOthersWriteTo) {
  TestMemory memory(1 << 20);
  at::Tensor kept = at::ones({3, 3}, at::kComplexFloat);
  const std::vector<at::Tensor> shown{kept,
                                      kept.t(),
                                      kept.slice(0, 1, 2),
                                      kept.select(1, 0),
                                      kept.conj(),
                                      at::imag(kept.conj()),
                                      kept.slice(0, 0, 1).expand({3, 3}),
                                      kept.as_strided({2, 2}, {1, 1})};
  std::vector<TensorElements> elements;
  std::vector<std::string> bytes;
  for (const at::Tensor& tensor : shown) {
    elements.push_back(ElementsOf(tensor, Elements::kCopied, memory.pool).value());
    bytes.emplace_back(Bytes(elements.back()));
    EXPECT_EQ(bytes.back().size(), tensor.nbytes());
  }
  kept.fill_(c10::complex<float>(7, 7));
  for (std::size_t i = 0; i < shown.size(); ++i) EXPECT_EQ(Bytes(elements[i]), bytes[i]) << i;
}

TEST(Describe, RefusesWhatNoArrayCanHold) {
  EXPECT_THAT(Describe({"y", at::Tensor()}, kUnlimited), Fails(Reason::kModelFailed, testing::HasSubstr("'y'")));
  EXPECT_THAT(Describe({"y", at::empty({2, 2}).to_sparse()}, kUnlimited), Fails(Reason::kModelFailed));
}

// Size is an expanded tensor, which may have any size and takes no memory.
struct Size {
  c10::ScalarType dtype;
  std::vector<std::int64_t> shape;
  std::string nbytes;
};

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
const std::vector<Size> kSizes = {
    {at::kByte, {kMost}, "9223372036854775807"},
    {at::kShort, {std::int64_t{1} << 62}, "9223372036854775808"},
    {at::kFloat, {std::int64_t{1} << 31, std::int64_t{1} << 30}, "9223372036854775808"},
    {at::kFloat, {std::int64_t{1} << 31, (std::int64_t{1} << 31)}, "18446744073709551616"},
    {at::kFloat, {kMost}, "36893488147419103228"},
    {at::kComplexDouble, {kMost}, "147573952589676412912"},
    {at::kComplexDouble, {std::int64_t{1} << 59}, "9223372036854775808"},
};

TEST(Describe, TellsTooLargeTensorsByTheirTrueSize) {
  for (const auto& [dtype, shape, nbytes] : kSizes) {
    const NamedTensor named{"y", at::ones({1}, dtype).expand(shape)};
    EXPECT_THAT(
        Describe(named, 1 << 20),
        Fails(Reason::kTensorTooLarge, testing::HasSubstr("has " + nbytes + " bytes, at most 1048576 are sent")));
    const bool fits = named.tensor.numel() <= kMost / named.tensor.element_size();
    EXPECT_EQ(Describe(named, kUnlimited).ok(), fits) << nbytes;
  }
}

TEST(Describe, ComparesWithTheLimitExactly) {
  const NamedTensor named{"y", at::ones({1}).expand({1 << 20})};
  EXPECT_THAT(Describe(named, 1 << 22), IsOk());
  EXPECT_THAT(Describe(named, (1 << 22) - 1), Fails(Reason::kTensorTooLarge));
}

}  // namespace
}  // namespace tensorferry::inference
