// protobuf's own check of UTF-8 is not at hand here: the tables below are of RFC 3629 and of the Unicode standard's
// table 3-7, "Well-Formed UTF-8 Byte Sequences".
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tensorferry {
namespace {

TEST(PrintableSize, TakesTheFirstAndLastCharacterOfEachSize) {
  const std::vector<std::string> characters{" ",
                                            "~",
                                            "\xc2\xa0",
                                            "\xdf\xbf",
                                            "\xe0\xa0\x80",
                                            "\xed\x9f\xbf",
                                            "\xee\x80\x80",
                                            "\xef\xbf\xbf",
                                            "\xf0\x90\x80\x80",
                                            "\xf4\x8f\xbf\xbf"};
  for (const std::string& character : characters) {
    EXPECT_EQ(PrintableSize(character), character.size()) << character;
    EXPECT_EQ(PrintableSize(character + "x"), character.size()) << character;
    EXPECT_EQ(PrintableSize(character.substr(0, character.size() - 1)), 0u) << "it is cut off";
  }
}

TEST(PrintableSize, RefusesControlCharactersAndBrokenSequences) {
  const std::vector<std::string> texts{"",
                                       std::string(1, '\0'),
                                       "\x1f",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xc2\x9f",
                                       "\x80",
                                       "\xbfx",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xe0\x9f\xbf",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf8\x88\x80\x80\x80",
                                       "\xff",
                                       "\xe2\x28\xa1"};
  for (const std::string& text : texts) EXPECT_EQ(PrintableSize(text), 0u) << testing::PrintToString(text);
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(Printable("\xc3\xb6\xc3\xb6\xc3\xb6", 6), "\xc3\xb6\xc3\xb6\xc3\xb6");
  EXPECT_EQ(Printable("\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6", 7), "\xc3\xb6\xc3\xb6...");
  EXPECT_EQ(Printable("x\xc3\xb6\xc3\xb6\xc3\xb6", 6), "x\xc3\xb6...");
  EXPECT_EQ(Printable("abcd", 3), "...");
}

TEST(Printable, ReplacesWhatCannotBeShown) {
  EXPECT_EQ(Printable("a\n\xff\xc3\xb6z", 100), "a??\xc3\xb6z");
  EXPECT_EQ(Printable("a\u0085b\u2028c\u202ed\u2066e", 100), "a\\u0085b\\u2028c\\u202ed\\u2066e");
  EXPECT_EQ(Printable("\u202e\u202e\u202e", 12), "\\u202e\\u2...");
}

}  // namespace
}  // namespace tensorferry
