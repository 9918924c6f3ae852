#include "payload/strings.h"

#include <gmock/gmock.h>

#include <limits>
#include <string>
#include <vector>

#include "testing/cut_message.h"
#include "testing/mutations.h"
#include "testing/raw_strings.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

absl::Status Check(const CutMessage& cut, std::uint64_t count) {
  std::size_t size = 0;
  for (const Bytes& piece : cut.pieces()) size += piece.size();
  return CheckStrings(ScatteredBytes(cut.pieces().data(), 0, size), count);
}

absl::Status Check(std::string_view raw, std::uint64_t count) { return Check(CutMessage(raw, {}), count); }

std::vector<Texts> Samples() {
  return {{},
          {""},
          {"", "", ""},
          {"a"},
          {"ab", "", "cde"},
          {std::string("\0\xFF", 2)},
          {std::string(300, 'x'), "y"},
          {std::string(70'000, 'z')}};
}

TEST(Strings, AreAppendedAsTheProtocolHasThem) {
  for (const Texts& texts : Samples()) {
    std::string raw;
    for (const std::string& text : texts) AppendString(text, raw);
    EXPECT_EQ(raw, RawStrings(texts));
  }
}

TEST(Strings, AreSplitInPlace) {
  for (const Texts& texts : Samples()) {
    const std::string raw = RawStrings(texts);
    const auto split = SplitStrings(std::as_bytes(std::span(raw)));
    EXPECT_THAT(split, ElementsAreArray(texts));
    for (const std::string_view text : split) {
      EXPECT_GE(text.data(), raw.data());
      EXPECT_LE(text.data() + text.size(), raw.data() + raw.size());
    }
  }
}

TEST(Strings, AreCountedHoweverTheyAreCut) {
  const Texts texts{"ab", "", "cde", std::string(300, 'x')};
  const std::string raw = RawStrings(texts);
  for (const CutMessage& cut : CutEverywhere(raw)) {
    ASSERT_THAT(Check(cut, 4), IsOk());
    ASSERT_THAT(Check(cut, 3),
                Fails(Reason::kSizeMismatch, "the shape needs 3 strings, each behind its length; got 4"));
    ASSERT_THAT(Check(cut, 5), Fails(Reason::kSizeMismatch, HasSubstr("needs 5 strings")));
  }
}

TEST(Strings, ThatEndTooEarlyAreRefused) {
  const std::string raw = RawStrings({"ab", "cde"});
  for (std::size_t nbytes = 0; nbytes < raw.size(); ++nbytes) {
    const std::string head = raw.substr(0, nbytes);
    if (TextsOf(head)) continue;
    for (const CutMessage& cut : CutEverywhere(head)) {
      ASSERT_THAT(Check(cut, 2), Fails(Reason::kSizeMismatch, HasSubstr("bytes, which end inside a string"))) << nbytes;
    }
  }
}

TEST(Strings, OfHugeLengthsAreRefused) {
  for (const std::string length : {"\xFF\xFF\xFF\xFF", "\xFF\xFF\xFF\x7F", "\2"}) {
    const std::string raw = length + std::string(length.size() < 4 ? 3 : 0, '\0') + "x";
    EXPECT_THAT(Check(raw, 1), Fails(Reason::kSizeMismatch, HasSubstr("bytes, which end inside a string")));
  }
  EXPECT_THAT(Check("", 0), IsOk());
  EXPECT_THAT(Check("", std::numeric_limits<std::uint64_t>::max()), Fails(Reason::kSizeMismatch, HasSubstr("got 0")));
}

TEST(Strings, AreReadAsInOnePieceWhateverComes) {
  Random random;
  int whole = 0;
  constexpr int kMessages = 10'000;
  for (int i = 0; i < kMessages; ++i) {
    Texts texts(random.Below(6));
    for (std::string& text : texts) text = random.Bytes(random.OneIn(4) ? 300 : 6);
    std::string raw = RawStrings(texts);
    if (random.OneIn(2)) Mutate(raw, random);
    const auto expected = TextsOf(raw);
    const CutMessage cut = RandomlyCut(raw, random);
    SCOPED_TRACE(testing::Message() << "message " << i << ": " << testing::PrintToString(raw));
    const std::size_t count = (expected ? *expected : texts).size();
    ASSERT_EQ(Check(cut, count).ok(), expected.has_value());
    ASSERT_FALSE(Check(cut, count + 1).ok());
    if (!expected) continue;
    ASSERT_THAT(SplitStrings(std::as_bytes(std::span(raw))), ElementsAreArray(*expected));
    ++whole;
  }
  EXPECT_GT(whole, kMessages / 4);
  EXPECT_GT(kMessages - whole, kMessages / 4);
}

}  // namespace
}  // namespace tensorferry
