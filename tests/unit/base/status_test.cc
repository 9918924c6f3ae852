#include "base/status.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/failure_text.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Pair;

TEST(Error, CarriesReasonCodeAndDetails) {
  const absl::Status error = MakeError(Reason::kMemoryBudget, "5 bytes do not fit",
                                       {.field = "data",
                                        .expected = "4",
                                        .actual = "5",
                                        .limit = "4",
                                        .retry_after = std::chrono::milliseconds(250),
                                        .log_text = "/etc/secret"});
  EXPECT_EQ(error.code(), absl::StatusCode::kResourceExhausted);
  const Failure failure = DescribeError(error);
  EXPECT_EQ(failure.reason, Reason::kMemoryBudget);
  EXPECT_EQ(failure.message, "5 bytes do not fit");
  EXPECT_THAT(failure.metadata,
              ElementsAre(Pair("actual", "5"), Pair("expected", "4"), Pair("field", "data"), Pair("limit", "4")));
  EXPECT_EQ(failure.retry_after, std::chrono::milliseconds(250));
  EXPECT_EQ(failure.log_text, "/etc/secret");
}

TEST(Error, IsToldInTheLogWithWhatCallersDoNotGet) {
  EXPECT_EQ(TextForLog(DescribeError(MakeError(Reason::kModelFailed, "no", {.log_text = "/srv"}))), "no /srv");
  EXPECT_EQ(TextForLog(DescribeError(MakeError(Reason::kModelFailed, "no"))), "no");
}

TEST(Error, OfAnArrayNamesItInMessageAndMetadata) {
  const Failure failure = DescribeError(InArray("x\n", MakeError(Reason::kBadShape, "no", {.field = "shape"})));
  EXPECT_EQ(failure.message, R"(array 'x\x0a': no)");
  EXPECT_THAT(failure.metadata, ElementsAre(Pair("array", "x\n"), Pair("field", "shape")));
}

TEST(Error, OfAnArrayAmongOthersOfItsNameHasItsPlace) {
  const absl::Status error = InArrayAt("x", 3, MakeError(Reason::kSizeMismatch, "needs 24 bytes, got 23"));
  const Failure failure = DescribeError(error);
  EXPECT_EQ(failure.message, "array 'x': arrays[3]: needs 24 bytes, got 23");
  EXPECT_EQ(failure.metadata.at("array"), "x");
  EXPECT_EQ(Reworded(error, [](std::string_view term) { return term == "arrays" ? "inputs" : std::string("input"); }),
            "input 'x': inputs[3]: needs 24 bytes, got 23");
  EXPECT_THAT(InArrayAt("x", 3, absl::OkStatus()), IsOk());
}

TEST(Error, IsRewordedWhereItsTermsStand) {
  const absl::Status error =
      InArray("int8", MakeError(Reason::kInputMismatch, "is " + Term("int8") + ", not " + Term("uint8") + " or int8",
                                {.expected = Term("uint8")}));
  const auto upper_case = [](std::string_view word) { return fmt::format("<{}>", word); };
  EXPECT_EQ(error.message(), "array 'int8': is int8, not uint8 or int8");
  EXPECT_EQ(Reworded(error, upper_case), "<array> 'int8': is <int8>, not <uint8> or int8");
  EXPECT_THAT(DescribeError(error).metadata, testing::Contains(Pair("expected", "uint8")));
  EXPECT_EQ(Reworded(WithMessage("int8", error), upper_case), "int8");
}

TEST(Error, HasOneReason) {
  EXPECT_EQ(ReasonOf(InArray("x", MakeError(Reason::kBadShape, "no"))), Reason::kBadShape);
  EXPECT_EQ(ReasonOf(absl::InvalidArgumentError("no")), Reason::kInternal);
}

TEST(Error, OfNobodysMakingIsInternalAndKeepsItsWordsFromTheCaller) {
  const Failure failure = DescribeError(absl::NotFoundError("/home/someone/file"));
  EXPECT_EQ(failure.reason, Reason::kInternal);
  EXPECT_EQ(failure.message, "internal error");
  EXPECT_THAT(failure.log_text, testing::HasSubstr("/home/someone/file"));
}

TEST(Quote, IsOnePrintableLineOfBoundedLength) {
  EXPECT_EQ(Quote("float32"), "'float32'");
  EXPECT_EQ(Quote(std::string("a\0\x1b[31m\xff", 8)), R"('a\x00\x1b[31m\xff')");
  EXPECT_EQ(Quote("gr\xc3\xb6\xc3\x9f"
                  "e"),
            "'gr\xc3\xb6\xc3\x9f"
            "e'")
      << "UTF-8 stays";
  EXPECT_EQ(Quote("a\u202egnp.exe\u2028b"), R"('a\u202egnp.exe\u2028b')") << "it turns no line around";
  EXPECT_EQ(Quote("it's"), "'it's'");
  EXPECT_EQ(Quote(std::string(72, 'x')), "'" + std::string(72, 'x') + "'");
  std::string greek;
  for (int i = 0; i < 100; ++i) greek += "\xce\xb1";
  for (const std::string& text : {std::string(5000, 'x'), std::string(5000, '\n'), greek, "x" + greek}) {
    EXPECT_THAT(Quote(text), AllOf(testing::SizeIs(testing::Le(80u)), testing::EndsWith("...'")));
  }
}

TEST(Reasons, HaveDistinctNamesThatParseBack) {
  for (const ReasonInfo& row : kReasons) EXPECT_EQ(ParseReason(row.name), row.reason) << row.name;
  EXPECT_EQ(ParseReason("NO_SUCH_REASON"), std::nullopt);
}

}  // namespace
}  // namespace tensorferry
