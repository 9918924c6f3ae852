#include "rpc/call/output_place.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "testing/memfd.h"
#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

constexpr std::size_t kNbytes = 1000;

class OutputPlaceTest : public testing::Test {
 protected:
  OutputPlaceTest() { EXPECT_THAT(registered_.Register("registered", object_.key(), 0, kNbytes), IsOk()); }

  absl::StatusOr<OutputPlace> Find(const std::string& region, std::uint64_t offset, std::uint64_t nbytes) {
    return OutputPlace::Find({region, offset, nbytes}, {registered_, &sealed_});
  }

  std::string HandedOver() const {
    std::string content(kNbytes, '\0');
    EXPECT_EQ(pread(file_.get(), content.data(), content.size(), 0), std::ssize(content));
    return content;
  }

  const std::string empty_ = std::string(kNbytes, '.');
  const FileDescriptor file_ = MakeMemfd(empty_, /*seals=*/0);
  SharedObject object_{empty_};
  SharedRegions registered_{{.system = true}};
  SealedRegions sealed_{{.regions = 8, .nbytes = 1 << 20}};
  const std::string name_ = sealed_.AddOutput(SameFile(file_), kNbytes, sealed_.QuotaFor(1000)).value();
};

// Response has tensors and outputs with these elements, which it borrows; nothing: a tensor without any.
Response ResponseWith(const std::vector<std::optional<std::string>>& tensors, const std::vector<std::string>& outputs) {
  Response response;
  for (const auto& elements : tensors) {
    auto& tensor = response.result.tensors.emplace_back();
    if (elements) tensor.elements = inference::TensorElements{.bytes = std::as_bytes(std::span(*elements))};
  }
  for (const std::string& elements : outputs) {
    response.result.outputs.emplace_back().elements =
        inference::TensorElements{.bytes = std::as_bytes(std::span(elements))};
  }
  return response;
}

TEST_F(OutputPlaceTest, TakesInOrderWhatFits) {
  const std::vector<std::optional<std::string>> tensors{std::nullopt, "ab", ""};
  const std::vector<std::string> outputs{std::string(200, 'c'), std::string(129, 'd'), "e"};
  Response response = ResponseWith(tensors, outputs);
  const auto place = Find(name_, 60, 300);
  ASSERT_THAT(place, IsOk());
  ASSERT_THAT(WriteWhatFits(*place, response), IsOk());
  EXPECT_EQ(response.written.region, name_);
  std::string expected = empty_;
  expected.replace(64, 2, "ab").replace(128, 200, outputs[0]);
  EXPECT_EQ(HandedOver(), expected);
  const auto nothing = std::optional<std::uint64_t>();
  EXPECT_THAT(response.written.offsets, testing::ElementsAre(nothing, 64U, nothing, 128U, nothing, nothing))
      << "neither what has no elements, nor what does not fit, nor what would begin at 384";
  const inference::PipelineResponse& result = response.result;
  EXPECT_FALSE(result.tensors[1].elements);
  EXPECT_TRUE(result.tensors[2].elements);
  EXPECT_FALSE(result.outputs[0].elements);
  EXPECT_EQ(result.outputs[1].elements->bytes.size(), 129U);
}

TEST_F(OutputPlaceTest, TheLastByteIsUsed) {
  const std::vector<std::string> outputs{std::string(65, 'a'), std::string(872, 'b')};
  Response response = ResponseWith({}, outputs);
  ASSERT_THAT(WriteWhatFits(*Find(name_, 0, kNbytes), response), IsOk());
  EXPECT_EQ(response.written.offsets[1], 128U);
  EXPECT_EQ(HandedOver(), outputs[0] + std::string(63, '.') + outputs[1]);
}

TEST_F(OutputPlaceTest, MayBeARegisteredRegion) {
  const std::vector<std::string> outputs{"abc", "de"};
  Response response = ResponseWith({}, outputs);
  ASSERT_THAT(WriteWhatFits(*Find("registered", 10, 200), response), IsOk());
  EXPECT_EQ(object_.Read(), empty_.substr(0, 64) + "abc" + empty_.substr(0, 61) + "de" + empty_.substr(0, 870));
  Response other = ResponseWith({}, outputs);
  const auto place = Find("registered", 10, 200);
  object_.Resize(4);
  EXPECT_THAT(WriteWhatFits(*place, other), Fails(Reason::kBadSharedMemory));
}

TEST_F(OutputPlaceTest, IsRefusedWhereThereIsNone) {
  EXPECT_THAT(Find("unknown", 0, 1), Fails(Reason::kRegionNotFound));
  EXPECT_THAT(Find("sealed:" + std::string(32, '0'), 0, 1), Fails(Reason::kRegionNotFound));
  EXPECT_THAT(Find(name_, 1, kNbytes), Fails(Reason::kBadSharedMemory));
  EXPECT_THAT(OutputPlace::Find({name_, 0, 1}, {SharedRegions(RegionKinds{})}), Fails(Reason::kSharedMemoryDisabled));
  EXPECT_EQ(OutputPlaceOf({}, {registered_, &sealed_})->has_value(), false);
}

}  // namespace
}  // namespace tensorferry::rpc
