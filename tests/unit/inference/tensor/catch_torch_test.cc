#include "inference/tensor/catch_torch.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>

#include <string>

#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(CatchTorch, NamesOperatorAndDTypeThatHaveNoKernel) {
  const auto result = CatchTorch(Reason::kModelFailed, [] {
    const at::Tensor matrix = at::ones({2, 2}).to(at::kUInt16);
    return matrix.mm(matrix);
  });
  EXPECT_THAT(result, Fails(Reason::kOperatorUnsupported, AllOf(HasSubstr("addmm"), HasSubstr("UInt16"))));
}

TEST(CatchTorch, SaysWhatTorchSays) {
  const auto result = CatchTorch(Reason::kModelFailed, [] { return at::ones({2, 3}).mm(at::ones({2, 3})); });
  EXPECT_THAT(result, Fails(Reason::kModelFailed, HasSubstr("shapes cannot be multiplied")));
}

TEST(CatchTorch, LeavesOutAdvice) {
  EXPECT_THAT(TranslateTorchError("Error: expected size 5==7, stride 1==1 at dim=0\nThis error most often comes from a "
                                  "incorrect fake kernel.\nSee https://pytorch.org/docs/",
                                  Reason::kModelFailed),
              Fails(Reason::kModelFailed, "Error: expected size 5==7, stride 1==1 at dim=0"));
}

TEST(CatchTorch, KeepsPathsForTheLog) {
  const absl::Status status = TranslateTorchError(
      "Traceback of TorchScript (most recent call last):\n  File \"/home/author/m.py\", line 7\nRuntimeError: too "
      "small\n",
      Reason::kModelFailed);
  EXPECT_THAT(status, Fails(Reason::kModelFailed, "too small"));
  EXPECT_THAT(DescribeError(status).log_text, HasSubstr("/home/author"));
  EXPECT_THAT(TranslateTorchError("open file failed: /srv/models/m.pt", Reason::kModelNotReady),
              Fails(Reason::kModelNotReady, Not(HasSubstr("/srv"))));
}

struct TextCase {
  std::string name;
  std::string text;
  std::string told;
};
class TorchText : public testing::TestWithParam<TextCase> {};

TEST_P(TorchText, IsToldByItsTellingLine) {
  EXPECT_THAT(TranslateTorchError(GetParam().text, Reason::kModelFailed), Fails(Reason::kModelFailed, GetParam().told));
}

constexpr char kTwoTracebacks[] =
    "The following operation failed in the TorchScript interpreter.\n"
    "Traceback of TorchScript, serialized code (most recent call last):\n"
    "  File \"code/__torch__.py\", line 10, in forward\n"
    "      ops.prim.RaiseException(_0, \"builtins.ValueError\")\n"
    "      ~~~~~~~~~~~~~~~~~~~~~~~ <--- HERE\n"
    "    else:\n"
    "\n"
    "Traceback of TorchScript, original code (most recent call last):\n"
    "  File \"/home/author/m.py\", line 5, in forward\n"
    "def forward(x):\n"
    "    raise ValueError(\"RuntimeError: \" + str(float(x.sum())))\n"
    "    ~~~~~ <--- HERE\n"
    "    return x\n";

// torch 2.13 wrote these texts.
INSTANTIATE_TEST_SUITE_P(
    Texts, TorchText,
    testing::Values(
        TextCase{"ExceptionOfTheModel", std::string(kTwoTracebacks) + "builtins.ValueError: bad value: 3.\n",
                 "ValueError: bad value: 3."},
        TextCase{"RuntimeErrorOfTheModel", std::string(kTwoTracebacks) + "builtins.RuntimeError: too hot\n", "too hot"},
        TextCase{"Assertion", std::string(kTwoTracebacks) + "RuntimeError: AssertionError: not positive\n",
                 "AssertionError: not positive"},
        TextCase{"Operator", std::string(kTwoTracebacks) + "RuntimeError: shape '[7]' is invalid for input of size 3\n",
                 "shape '[7]' is invalid for input of size 3"},
        TextCase{"WithoutWords", std::string(kTwoTracebacks) + "builtins.RuntimeError: \n", "RuntimeError"},
        TextCase{"UnknownOperator",
                 "\nUnknown builtin op: mylib::twice.\nCould not find any similar ops to mylib::twice. This op may not "
                 "exist or may not be currently supported in TorchScript.\n:\n  File \"code/__torch__.py\", line 8\n"
                 "    return ops.mylib.twice(x)\n           ~~~~~~~~~~~~~~~ <--- HERE\n",
                 "Unknown builtin op: mylib::twice. If a library of yours has this operator, start the server with the "
                 "library in "
                 "LD_PRELOAD"},
        TextCase{
            "NewerFile",
            "[enforce fail at inline_container.cc:230] . Attempted to read a PyTorch file with version 99, but the "
            "maximum supported version for reading is 10.",
            "Attempted to read a PyTorch file with version 99, but the maximum supported version for reading is "
            "10."},
        TextCase{
            "OtherArchive",
            "Expected hasRecord(\"version\") to be true, but got false.  (Could this error message be improved?  If "
            "so, please report an enhancement request to PyTorch.)",
            "Expected hasRecord(\"version\") to be true, but got false."},
        TextCase{"Nothing", "", "torch gave no reason"}, TextCase{"EmptyLines", "\n\n", "torch gave no reason"}),
    [](const auto& test) { return test.param.name; });

constexpr char kInAnOperator[] =
    "The following operation failed in the TorchScript interpreter.\n"
    "Traceback of TorchScript, serialized code (most recent call last):\n"
    "  File \"code/__torch__.py\", line 12, in forward\n"
    "    return (l).forward((i).forward(x, ), )\n"
    "                        ~~~~~~~~~~ <--- HERE\n"
    "  File \"code/__torch__.py\", line 20, in forward\n"
    "    return torch.add(torch.view(x, [7]), 1)\n"
    "                     ~~~~~~~~~~ <--- HERE\n"
    "\n"
    "Traceback of TorchScript, original code (most recent call last):\n"
    "  File \"/home/author/m.py\", line 3, in forward\n"
    "    def forward(s,x): return x.view(7)+1\n"
    "                             ~~~~~~ <--- HERE\n"
    "RuntimeError: ";

TEST(CatchTorch, NamesTheOperatorThatFailed) {
  const std::string text = std::string(kInAnOperator) + "shape '[7]' is invalid for input of size 3\n";
  EXPECT_THAT(TranslateTorchError(text, Reason::kModelFailed),
              Fails(Reason::kModelFailed, "aten::view: shape '[7]' is invalid for input of size 3"));
  EXPECT_THAT(TranslateTorchError(std::string(kInAnOperator) + "cannot read /secret\n", Reason::kModelFailed),
              Fails(Reason::kModelFailed, "aten::view: torch refused; the server's log has its words"));
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THAT(TranslateTorchError(text.substr(0, length), Reason::kModelFailed), Fails(Reason::kModelFailed));
  }
}

// torch 2.13 wrote this text when an index was out of range in a kernel of a package.
TEST(CatchTorch, NamesTheKernelOfAPackageThatFailed) {
  const std::string line = "index out of bounds: 0 <= tmp2 < 100L";
  const std::string rest =
      "Exception raised from cpp_fused_embedding_mean_0 at /tmp/author/c.kernel.cpp:25 (most recent call first):\n"
      "frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x9d (0x7f236e379b8d in libc10.so)";
  const std::string text = line + "\n" + rest + "\n";
  const absl::Status status = TranslateTorchError(text, Reason::kModelFailed);
  EXPECT_THAT(status, Fails(Reason::kModelFailed, "cpp_fused_embedding_mean_0: " + line));
  EXPECT_EQ(DescribeError(status).log_text, rest);
  EXPECT_THAT(TranslateTorchError(text, Reason::kModelNotReady), Fails(Reason::kModelNotReady, line));
  EXPECT_THAT(TranslateTorchError("no\nException raised from operator() at x.cpp:1", Reason::kModelFailed),
              Fails(Reason::kModelFailed, "no"));
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THAT(TranslateTorchError(text.substr(0, length), Reason::kModelFailed), Fails(Reason::kModelFailed));
  }
}

struct RestCase {
  std::string name, text, rest;
};
class WordsForTheLog : public testing::TestWithParam<RestCase> {};

TEST_P(WordsForTheLog, AreThoseThatTheMessageDoesNotHave) {
  EXPECT_EQ(DescribeError(TranslateTorchError(GetParam().text, Reason::kModelFailed)).log_text, GetParam().rest);
}

INSTANTIATE_TEST_SUITE_P(
    Texts, WordsForTheLog,
    testing::Values(
        RestCase{"OneLine", "index out of range in self", ""},
        RestCase{"OneLineAndItsEnd", "index out of range in self\n", ""},
        RestCase{"KindThatSaysNothing", "RuntimeError: too small\n", ""},
        RestCase{"Advice", "Error: size 5==7\nThis error most often comes from a fake kernel.\n",
                 "This error most often comes from a fake kernel."},
        RestCase{"Traceback", std::string(kTwoTracebacks) + "builtins.ValueError: bad value: 3.\n",
                 std::string(kTwoTracebacks, sizeof(kTwoTracebacks) - 2)},
        RestCase{"PlaceInTorch", "[enforce fail at container.cc:230] . Attempted to read version 99.",
                 "[enforce fail at container.cc:230] ."},
        RestCase{"UnknownOperator", "\nUnknown builtin op: mylib::twice.\nCould not find any similar ops.\n",
                 "Could not find any similar ops."},
        RestCase{"NoPromotion", "Promotion for uint16, uint32, uint64 types is not supported, attempted", ""},
        RestCase{"WhatCannotBePrinted", "bad\x1b[31m value", "bad\x1b[31m value"},
        RestCase{"WhatIsTooLong", std::string(1500, 'x'), std::string(1500 - 1024, 'x')}, RestCase{"Nothing", "", ""},
        RestCase{"EmptyLines", "\n\n", "\n\n"}),
    [](const auto& test) { return test.param.name; });

TEST(CatchTorch, SendsWhatCanBePrinted) {
  EXPECT_THAT(TranslateTorchError("bad\x1b[31m \xff value", Reason::kModelFailed),
              Fails(Reason::kModelFailed, "bad?[31m ? value"));
}

struct PathCase {
  std::string line;
  bool is_told;
};
class LineWithAPath : public testing::TestWithParam<PathCase> {};

TEST_P(LineWithAPath, StaysInTheLog) {
  const auto& [line, is_told] = GetParam();
  const absl::Status status = TranslateTorchError(line, Reason::kModelFailed);
  EXPECT_THAT(status, Fails(Reason::kModelFailed,
                            is_told ? line : std::string("torch refused; the server's log has its words")));
  EXPECT_EQ(DescribeError(status).log_text, is_told ? "" : line);
}

INSTANTIATE_TEST_SUITE_P(
    Lines, LineWithAPath,
    testing::Values(PathCase{"open file failed: /srv/models/m.pt", false}, PathCase{"/secret", false},
                    PathCase{"/", false}, PathCase{"cannot read /secret", false},
                    PathCase{"cannot read '/secret'", false}, PathCase{"cannot read \"/secret\"", false},
                    PathCase{"cannot read file:/home/someone/secret/weights.bin", false},
                    PathCase{"cannot read file:///home/someone/secret", false},
                    PathCase{"cannot read https:///home/someone/secret", false}, PathCase{"path=/home/someone", false},
                    PathCase{"[/home]", false}, PathCase{"(/home)", false}, PathCase{"</home>", false},
                    PathCase{"a,/home", false}, PathCase{"a;/home", false}, PathCase{"a\t/home", false},
                    PathCase{"cannot read ~/secret", false}, PathCase{"cannot read ../secret", false},
                    PathCase{"cannot read ./secret", false}, PathCase{"cannot read .//secret", false},
                    PathCase{"cannot read .hidden_/secret", false}, PathCase{"cannot read \xC3\xA9/secret", false},
                    PathCase{"cannot read C:\\secret", false},
                    PathCase{"at https://pytorch.org/docs and /secret", false},
                    PathCase{"at address 0x7F00DEADBEEF", false}, PathCase{"at address 0x7f00deadbeef", false},
                    PathCase{"3 m/s is too fast", true}, PathCase{"x / y is no number", true},
                    PathCase{"float16/bfloat16 only", true}, PathCase{"either and/or both", true},
                    PathCase{"read https://pytorch.org/docs/stable/sparse.html of it", true},
                    PathCase{"expected 'a' or 0x10, got b\\c", true}, PathCase{"step 1: back\\slash", true}));

TEST(CatchTorch, TellsMissingMemoryFromAFailure) {
  EXPECT_THAT(CatchTorch(Reason::kModelFailed, [] { return at::empty({std::int64_t{1} << 58}); }),
              Fails(Reason::kMemoryBudget));
  EXPECT_THAT(TranslateTorchError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of "
                                  "15.77 GiB",
                                  Reason::kModelFailed),
              Fails(Reason::kMemoryBudget, Not(HasSubstr("GiB"))));
}

// A model's error may quote what its caller has sent.
TEST(CatchTorch, BoundsWhatItSaysOfALongText) {
  const std::string megabyte(1 << 20, 'x');
  const std::string path = "/" + std::string(1 << 20, 'y') + "/";
  for (const std::string& text :
       {megabyte, "bad value: " + megabyte, "Traceback of TorchScript\nbuiltins.ValueError: " + megabyte,
        "Unknown builtin op: " + megabyte + "::" + megabyte, path, "at " + path,
        "Promotion for uint16, uint32, uint64 types is not supported " + megabyte,
        "\"" + megabyte + "\" not implemented for '" + megabyte + "'"}) {
    const Failure failure = DescribeError(TranslateTorchError(text, Reason::kModelFailed));
    EXPECT_LE(failure.message.size(), 4096u) << text.substr(0, 40);
    EXPECT_LE(failure.log_text.size(), 4200u) << text.substr(0, 40);
  }
  EXPECT_THAT(TranslateTorchError("\"addmm\" not implemented for 'UInt16' " + megabyte, Reason::kModelFailed),
              Fails(Reason::kOperatorUnsupported, "torch's operator addmm has no kernel for dtype UInt16"));
  EXPECT_THAT(TranslateTorchError("Unknown builtin op: mylib::twice.\n" + megabyte, Reason::kModelNotReady),
              Fails(Reason::kModelNotReady, HasSubstr("mylib::twice. If")));
  const std::string umlauts = "a" + [] {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "\xC3\xA9";
    return text;
  }();
  EXPECT_THAT(TranslateTorchError(umlauts, Reason::kModelFailed),
              Fails(Reason::kModelFailed, umlauts.substr(0, 1023) + "\xE2\x80\xA6"));
}

}  // namespace
}  // namespace tensorferry::inference
