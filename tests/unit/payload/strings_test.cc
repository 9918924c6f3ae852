#include "payload/strings.h"

#include <gmock/gmock.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "testing/cut_message.h"
#include "testing/mutations.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

using Texts = std::vector<std::string>;

// By hand, as the protocol describes it.
std::string Raw(const Texts& texts) {
  std::string raw;
  for (const std::string& text : texts) {
    for (int shift = 0; shift < 32; shift += 8) raw += static_cast<char>(text.size() >> shift & 0xFF);
    raw += text;
  }
  return raw;
}

// The number of strings, if there are only whole ones. Byte by byte, in one place: what the checks of cut ones must say.
std::optional<std::uint64_t> CountOf(std::string_view raw) {
  std::uint64_t count = 0;
  for (; !raw.empty(); ++count) {
    if (raw.size() < 4) return std::nullopt;
    std::uint64_t length = 0;
    for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(raw[static_cast<std::size_t>(i)]);
    if (raw.size() - 4 < length) return std::nullopt;
    raw.remove_prefix(4 + static_cast<std::size_t>(length));
  }
  return count;
}

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
    EXPECT_EQ(raw, Raw(texts));
  }
}

TEST(Strings, AreSplitInPlace) {
  for (const Texts& texts : Samples()) {
    const std::string raw = Raw(texts);
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
  const std::string raw = Raw(texts);
  for (const CutMessage& cut : CutEverywhere(raw)) {
    ASSERT_THAT(Check(cut, 4), IsOk());
    ASSERT_THAT(Check(cut, 3),
                Fails(Reason::kSizeMismatch, "the shape needs 3 strings, each behind its length; got 4"));
    ASSERT_THAT(Check(cut, 5), Fails(Reason::kSizeMismatch, HasSubstr("needs 5 strings")));
  }
}

TEST(Strings, ThatEndTooEarlyAreRefused) {
  const std::string raw = Raw({"ab", "cde"});
  for (std::size_t nbytes = 0; nbytes < raw.size(); ++nbytes) {
    const std::string head = raw.substr(0, nbytes);
    if (CountOf(head)) continue;
    for (const CutMessage& cut : CutEverywhere(head)) {
      ASSERT_THAT(Check(cut, 2), Fails(Reason::kSizeMismatch, HasSubstr("bytes that end inside one"))) << nbytes;
    }
  }
}

TEST(Strings, OfHugeLengthsAreRefused) {
  for (const std::string length : {"\xFF\xFF\xFF\xFF", "\xFF\xFF\xFF\x7F", "\2"}) {
    const std::string raw = length + std::string(length.size() < 4 ? 3 : 0, '\0') + "x";
    EXPECT_THAT(Check(raw, 1), Fails(Reason::kSizeMismatch, HasSubstr("bytes that end inside one")));
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
    std::string raw = Raw(texts);
    if (random.OneIn(2)) Mutate(raw, random);
    const auto count = CountOf(raw);
    const CutMessage cut = RandomlyCut(raw, random);
    SCOPED_TRACE(testing::Message() << "message " << i << ": " << testing::PrintToString(raw));
    ASSERT_EQ(Check(cut, count.value_or(texts.size())).ok(), count.has_value());
    ASSERT_FALSE(Check(cut, count.value_or(0) + 1).ok());
    if (!count) continue;
    ++whole;
    std::string again;
    const auto split = SplitStrings(std::as_bytes(std::span(raw)));
    EXPECT_EQ(split.size(), *count);
    for (const std::string_view text : split) AppendString(text, again);
    ASSERT_EQ(again, raw);
  }
  EXPECT_GT(whole, kMessages / 4);
  EXPECT_GT(kMessages - whole, kMessages / 4);
}

}  // namespace
}  // namespace tensorferry
