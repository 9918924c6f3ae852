// These tests read the tables that the command prints.
#include "cli/table.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <sstream>

namespace tensorferry::cli {
namespace {

Table SomeTable() {
  Table table({Text("name"), Number("µs"), Text("last")});
  table.Add({"a", "1", "one two three four five six"});
  table.Add({"longer", "100", "é\n"});
  return table;
}

TEST(Table, AlignsTextToTheLeftAndNumbersToTheRight) {
  EXPECT_EQ(SomeTable().ToText(0),
            "name     µs  last\n"
            "a         1  one two three four five six\n"
            "longer  100  é\\n\n");
}

TEST(Table, BreaksTheLastColumnAtBlanks) {
  EXPECT_EQ(SomeTable().ToText(30),
            "name     µs  last\n"
            "a         1  one two three\n"
            "             four five six\n"
            "longer  100  é\\n\n");
}

TEST(Table, BreaksNoWordAndLeavesRoomForSome) {
  Table table({Text("name"), Text("last")});
  table.Add({std::string(40, 'a'), "one two " + std::string(30, 'b')});
  EXPECT_EQ(table.ToText(20), "name" + std::string(38, ' ') + "last\n" + std::string(40, 'a') + "  one two\n" +
                                  std::string(42, ' ') + std::string(30, 'b') + '\n');
}

TEST(Numbers, HaveADecimalBelowAHundred) {
  EXPECT_EQ(NumberText(0), "0.0");
  EXPECT_EQ(NumberText(99.94), "99.9");
  EXPECT_EQ(NumberText(1234.5), "1234");
  EXPECT_EQ(NumberText(Mean(1, 0)), "-");
  EXPECT_EQ(NumberText(std::numeric_limits<double>::infinity()), "-");
  EXPECT_EQ(Mean(3, 2), 1.5);
}

}  // namespace
}  // namespace tensorferry::cli
