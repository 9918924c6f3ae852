// These tests read what a package of AOTInductor's says before it runs: call spec, bounds, target, names.
#include <ATen/ops/rand.h>
#include <gmock/gmock.h>
#include <torch/version.h>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "inference/engine/aoti_bounds.h"
#include "inference/engine/aoti_leaves.h"
#include "inference/engine/aoti_package.h"
#include "inference/engine/aoti_run.h"
#include "inference/engine/aoti_strides.h"
#include "inference/engine/call_spec.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// kInputs is the call spec of {"x": tensor, "pair": (tensor, tensor)} beside one argument, as torch 2.13 writes it.
constexpr char kInputs[] = R"([1, {"type": "builtins.tuple", "context": "null", "children_spec": [
  {"type": "builtins.tuple", "context": "null", "children_spec": [{"type": null, "context": null, "children_spec": []}]},
  {"type": "builtins.dict", "context": "[\"x\", \"pair\"]", "children_spec": [
    {"type": null, "context": null, "children_spec": []},
    {"type": "builtins.tuple", "context": "null", "children_spec": [
      {"type": null, "context": null, "children_spec": []}, {"type": null, "context": null, "children_spec": []}]}]}]}])";

TEST(CallSpec, NamesLeavesByTheirPlaces) {
  const auto inputs = InputLeaves(kInputs);
  ASSERT_THAT(inputs, IsOk());
  EXPECT_THAT(*inputs, ElementsAre("ARGS[0]", "KWARGS[x]", "KWARGS[pair][0]", "KWARGS[pair][1]"));
  const auto one = OutputLeaves(R"([1, {"type": null, "context": null, "children_spec": []}])");
  ASSERT_THAT(one, IsOk());
  EXPECT_THAT(*one, ElementsAre("RESULT"));
}

TEST(CallSpec, OfAnotherFormIsRefused) {
  for (const std::string& spec : {std::string(), std::string("{"), std::string("[1, 2]"), std::string("[1, {}]"),
                                  std::string(R"([1, {"type": "t", "children_spec": 3}])"),
                                  std::string(R"([1, {"type": 3, "children_spec": [1, 2]}])")}) {
    EXPECT_THAT(InputLeaves(spec), Fails(Reason::kModelNotReady)) << spec;
    EXPECT_THAT(OutputLeaves(spec), Fails(Reason::kModelNotReady)) << spec;
  }
  std::string deep = R"({"type": null, "context": null, "children_spec": []})";
  for (int i = 0; i < 1000; ++i)
    deep = R"({"type": "builtins.tuple", "context": "null", "children_spec": [)" + deep + "]}";
  EXPECT_THAT(OutputLeaves("[1, " + deep + "]"), Fails(Reason::kModelNotReady)) << "no recursion without end";
}

// SetUpWith writes the part of a source that sets up a model, as torch 2.13 writes it: with inputs of these numbers,
// and with this many weights.
std::string SetUpWith(const std::vector<int>& numbers, int weights) {
  std::string source = "    : AOTInductorModelBase(" + std::to_string(numbers.size()) + ",\n" +
                       "                           1,\n                           1,\n";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    source += "    inputs_info_[" + std::to_string(i) + "].name = \"arg" + std::to_string(numbers[i]) + "_1\";\n";
  }
  for (int i = 0; i < weights; ++i) {
    source += "    constants_info_[" + std::to_string(i) +
              "].type = static_cast<int32_t>(torch::aot_inductor::ConstantType::Parameter);\n";
  }
  return source +
         "    constants_info_[9].type = static_cast<int32_t>(torch::aot_inductor::ConstantType::FoldedConstant);\n" +
         "    out_spec_ = R\"()\";\n";
}

struct LeavesCase {
  std::string name, source;
  std::size_t leaves;
  std::vector<std::size_t> wanted, expected;
  bool certain;
  friend void PrintTo(const LeavesCase& c, std::ostream* out) { *out << c.name; }
};
class Leaves : public testing::TestWithParam<LeavesCase> {};

TEST_P(Leaves, ThatAreTensorsAreInputs) {
  const auto inputs = TensorInputs(GetParam().source, GetParam().leaves, GetParam().wanted);
  ASSERT_THAT(inputs, IsOk());
  EXPECT_EQ(inputs->indices, GetParam().expected);
  EXPECT_EQ(inputs->certain, GetParam().certain);
}

INSTANTIATE_TEST_SUITE_P(Calls, Leaves,
                         testing::ValuesIn(std::vector<LeavesCase>{
                             {"WithoutASource", "", 2, {}, {0, 1}, true},
                             {"All", SetUpWith({3, 4}, 3), 2, {}, {0, 1}, true},
                             {"NoneBetween", SetUpWith({3, 5}, 0), 3, {}, {0, 2}, true},
                             {"NoneAtTheEnd", SetUpWith({2}, 2), 2, {}, {0}, true},
                             {"NoneAtTheEndOrTheStart", SetUpWith({2}, 1), 2, {}, {0}, false},
                             {"AsConfigured", SetUpWith({2}, 1), 2, {1}, {1}, true},
                             {"ConfiguredToBeNone", SetUpWith({2}, 2), 2, {1}, {0}, false},
                             {"Several", SetUpWith({1, 4}, 0), 5, {}, {0, 3}, false},
                             {"SeveralAsConfigured", SetUpWith({1, 4}, 0), 5, {1, 4}, {1, 4}, true},
                             {"NoTensorAtAll", SetUpWith({}, 2), 2, {}, {}, true},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(TensorInputs, AreRefusedWhereTheSourceDoesNotFitTheCall) {
  const std::string named = SetUpWith({1, 2}, 0);
  std::string others = named;
  others.replace(others.find("arg1_1"), 6, "x_1_10");
  for (const auto& [source, leaves] : {std::pair(named, 1), {SetUpWith({1, 9}, 0), 3}, {others, 3}}) {
    EXPECT_THAT(
        TensorInputs(source, static_cast<std::size_t>(leaves), {}),
        Fails(Reason::kModelNotReady, "the package takes 2 tensors, and its call has " + std::to_string(leaves) +
                                          " leaves: some of its example were no tensors, and its source does "
                                          "not tell which"));
  }
}

TEST(TensorOutputs, AreThoseThatTheSourceSets) {
  constexpr char kResult[] = R"(
    __check_inputs_outputs(input_handles, output_handles);
    output_handles[1] = buf0.release();
    aoti_torch_clone(weight, &output_handles[3]);
  )";
  EXPECT_THAT(TensorOutputs(kResult, 5).indices, ElementsAre(1, 3));
  EXPECT_THAT(TensorOutputs("", 2).indices, ElementsAre(0, 1)) << "without a source";
}

// kSource checks two inputs: [2..64, 16] of float32, and [any, 3..] of int64.
constexpr char kSource[] = R"(
AOTI_NOINLINE static void check_input_0(
    AtenTensorHandle* input_handles
) {
    int32_t arg4_1_expected_dtype = aoti_torch_dtype_float32();
    if (arg4_1_size[0] < 2) {
    }
    if (arg4_1_size[0] > 64) {
    }
    if (16 != arg4_1_size[1]) {
    }
    if (16 != arg4_1_stride[0]) {
    }
    if (1 != arg4_1_stride[1]) {
    }
}

AOTI_NOINLINE static void check_input_1(
    AtenTensorHandle* input_handles
) {
    int32_t arg5_1_expected_dtype = aoti_torch_dtype_int64();
    auto arg5_1_stride = arg5_1.strides();
    if (arg5_1_size[1] < 3) {
    }
    if (1 != arg5_1_stride[1]) { << arg5_1_stride[0]
    }
}
)";

absl::Status Check(const InputBounds& bounds, const std::vector<std::int64_t>& shape, std::size_t first_dim = 0) {
  return CheckBounds("x", bounds, shape, first_dim);
}

TEST(InputBounds, AreReadOffTheGeneratedChecks) {
  const auto bounds = ReadInputBounds(kSource, 2);
  ASSERT_TRUE(bounds);
  const InputBounds& first = bounds->at(0);
  EXPECT_EQ(first.dtype, DType::kFloat32);
  EXPECT_THAT(Check(first, {2, 16}), IsOk());
  EXPECT_THAT(Check(first, {64, 16}), IsOk());
  EXPECT_THAT(Check(first, {1, 16}),
              Fails(Reason::kInputMismatch,
                    HasSubstr("array 'x' has shape [1, 16], the package was compiled for [2 to 64, 16]")));
  EXPECT_THAT(Check(first, {1, 16}, 1), IsOk()) << "the batch is somebody else's to look at";
  EXPECT_THAT(Check(first, {2, 17}), Fails(Reason::kInputMismatch));
  EXPECT_THAT(Check(first, {2}), Fails(Reason::kInputMismatch));
  EXPECT_THAT(Check(first, {2, 16, 1}), Fails(Reason::kInputMismatch));
  const InputBounds& second = bounds->at(1);
  EXPECT_EQ(second.dtype, DType::kInt64);
  EXPECT_THAT(Check(second, {0, 3}), IsOk());
  EXPECT_THAT(Check(second, {0, 2}), Fails(Reason::kInputMismatch, HasSubstr("compiled for [any, at least 3]")));
}

TEST(InputBounds, KnowWhichDimensionsAreEqual) {
  const auto bounds = ReadInputBounds(std::string(kSource) + R"(
    auto arg4_1 = std::move(inputs[0]);
    auto arg5_1 = std::move(inputs[1]);
    assert_size_stride(arg4_1, {s77, 16L}, {16L, 1L}, "input");
    assert_size_stride(arg5_1, {s77, 1L + s12, }, {s12, 1L}, "input");
    assert_size_stride(buf0, {s5, 3L}, {3L, 1L}, "torch.ops.aten.mm");
)",
                                      2);
  ASSERT_TRUE(bounds);
  EXPECT_EQ(bounds->at(0).dims[0].symbol, "s77");
  EXPECT_EQ(bounds->at(0).dims[1].symbol, "") << "a number is no symbol";
  EXPECT_EQ(bounds->at(1).dims[0].symbol, "s77");
  EXPECT_EQ(bounds->at(1).dims[1].symbol, "1L + s12");
  EXPECT_EQ(bounds->at(0).dims[0].stride, "16L");
  EXPECT_EQ(bounds->at(1).dims[0].stride, "s12");
}

InputBounds OfStrides(const std::vector<std::pair<std::string, std::string>>& dims) {
  InputBounds bounds;
  for (const auto& [symbol, stride] : dims) bounds.dims.push_back({.symbol = symbol, .stride = stride});
  return bounds;
}

TEST(AotiStrides, AreThoseOfTheExample) {
  const AotiStrides strides({
      OfStrides({{"s77", "3L*s0*s53"}, {"", "1L"}, {"s53", "3L*s0"}, {"s0", "3L"}}),  // torch.channels_last
      OfStrides({{"s77", "s53"}, {"s0", "s53*s77"}, {"s53", "1L"}}),
      OfStrides({{"", "6L"}, {"", "1L"}}),  // Rows of a wider tensor.
      OfStrides({{"s77", "s0"}, {"s0", "1L"}}),
      OfStrides({{"", "s99"}, {"", "1L"}}),  // Of a size that nobody knows.
      OfStrides({}),
  });
  std::vector<at::Tensor> inputs;
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{2, 3, 4, 5}, {2, 5, 4}, {4, 3}, {2, 5}, {7, 8}, {}}) {
    inputs.push_back(at::rand(shape));
  }
  const std::vector<at::Tensor> given = inputs;
  strides.Apply(inputs);
  EXPECT_THAT(inputs[0].strides(), ElementsAre(60, 1, 15, 3));
  EXPECT_THAT(inputs[1].strides(), ElementsAre(4, 8, 1));
  EXPECT_THAT(inputs[2].strides(), ElementsAre(6, 1));
  for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(inputs[i].equal(given[i])) << i;
  for (std::size_t i = 3; i < inputs.size(); ++i) EXPECT_TRUE(inputs[i].is_same(given[i])) << i << " is in C order";
}

TEST(AotiStrides, OfOneElementAreThoseOfTheCompiledCode) {
  const AotiStrides strides({InputBounds{}});
  std::vector<at::Tensor> inputs{at::rand({2, 4}).t().narrow(1, 0, 1)};
  strides.Apply(inputs);
  EXPECT_THAT(inputs[0].strides(), ElementsAre(1, 1));
}

TEST(InputBounds, AreNotGuessed) {
  EXPECT_FALSE(ReadInputBounds("", 1));
  EXPECT_FALSE(ReadInputBounds(kSource, 3)) << "there is no check of a third";
  std::string unknown = kSource;
  unknown.replace(unknown.find("float32"), 7, "quint8x");
  EXPECT_FALSE(ReadInputBounds(unknown, 1));
  std::string gap = kSource;
  for (std::size_t at = 0; (at = gap.find("_size[0]", at)) != std::string::npos;) gap.replace(at, 8, "_size[2]");
  for (std::size_t at = 0; (at = gap.find("_stride[0]", at)) != std::string::npos;) gap.replace(at, 10, "_stride[2]");
  EXPECT_FALSE(ReadInputBounds(gap, 1)) << "dimension 0 is not mentioned";
}

TEST(Target, MustBeThisMachine) {
  EXPECT_THAT(CheckTarget({}, false), IsOk());
  EXPECT_THAT(CheckTarget({{"AOTI_DEVICE_KEY", "cpu"}, {"AOTI_CPU_ISA", "INVALID_VEC_ISA"}}, false), IsOk());
  EXPECT_THAT(CheckTarget({{"AOTI_CPU_ISA", "SOMETHING_NEW"}}, false),
              Fails(Reason::kModelNotReady, HasSubstr("SOMETHING_NEW")))
      << "what is not known may be what this processor lacks";
  EXPECT_THAT(CheckTarget({{"AOTI_DEVICE_KEY", "cuda"}}, false),
              Fails(Reason::kModelNotReady, HasSubstr("compiled for cuda, and is to run on cpu")));
  EXPECT_THAT(CheckTarget({{"AOTI_MACHINE", "s390x"}}, false),
              Fails(Reason::kModelNotReady, HasSubstr("compiled for s390x")));
}

TEST(Target, MustHaveWhatTheProcessorHadThatCompiledIt) {
  EXPECT_THAT(CheckProcessor({}), IsOk());
  EXPECT_THAT(CheckProcessor({"sse2"}), IsOk());
  EXPECT_THAT(CheckProcessor({"sse2", "quantum"}), Fails(Reason::kModelNotReady, HasSubstr("quantum")));
}

// SourceWith writes the constructor of a package with one weight, as torch 2.13 writes it.
std::string SourceWith(const std::string& includes_weights, const std::string& is_folded) {
  return R"(
    AOTInductorModel::AOTInductorModel(std::shared_ptr<ConstantMap> constants_map,
                                       std::shared_ptr<std::vector<ConstantHandle>> constants_array,
                                       const std::string& device_str,
                                       std::optional<std::string> cubin_dir)
        : AOTInductorModelBase(1,
                               1,
                               1,
                               device_str,
                               std::move(cubin_dir),
                               )" +
         includes_weights + R"() {
      constants_info_[0].name = "weight";
      constants_info_[0].from_folded = )" +
         is_folded + ";\n    }\n";
}

TEST(Weights, MustBeInThePackagesLibrary) {
  const auto are_not = Fails(Reason::kModelNotReady, HasSubstr("the package's weights are not in its library"));
  EXPECT_THAT(CheckWeights({}), IsOk()) << "a package without its source says nothing else";
  EXPECT_THAT(CheckWeights({.source = SourceWith("true", "false")}), IsOk());
  EXPECT_THAT(CheckWeights({.source = SourceWith("false", "true")}), IsOk()) << "it computes its only weight itself";
  EXPECT_THAT(CheckWeights({.source = SourceWith("false", "false"), .has_blob = true}), IsOk());
  EXPECT_THAT(CheckWeights({.source = SourceWith("false", "false")}), are_not);
  EXPECT_THAT(CheckWeights({.source = ": AOTInductorModelBase("}), IsOk()) << "not a whole source";
}

TEST(Weights, ThatAreNamedBesideTheLibraryAreNotInIt) {
  const auto are_not = Fails(Reason::kModelNotReady, HasSubstr("the package's weights are not in its library"));
  EXPECT_THAT(CheckWeights({.beside = R"({"weight": ["weight_0", [2, 2], [2, 1], 0]})"}), are_not);
  EXPECT_THAT(
      CheckWeights({.beside = R"({"weight": ["weight_0", [2, 2], [2, 1], 0]})", .source = SourceWith("true", "false")}),
      are_not);
  EXPECT_THAT(CheckWeights({.beside = "no JSON"}), are_not);
  EXPECT_THAT(CheckWeights({.beside = "[]"}), are_not);
  EXPECT_THAT(CheckWeights({.beside = "{}"}), IsOk()) << "the model has none";
}

TEST(PackageSignature, TellsAnotherTorch) {
  const std::string own = TORCH_VERSION;
  EXPECT_FALSE(IsOtherTorch("")) << "it is not known";
  EXPECT_FALSE(IsOtherTorch(own));
  EXPECT_FALSE(IsOtherTorch(own + "+cu130"));
  EXPECT_TRUE(IsOtherTorch(own + "1"));
  EXPECT_TRUE(IsOtherTorch("1.0.0+cpu"));
}

TEST(PackageSignature, IsWhatExportWrote) {
  const auto read =
      ReadPackageSignature(R"({"inputs": [{"name": "x", "dtype": "bfloat16", "shape": [-1, 3]}], "outputs": []})");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->inputs[0].dtype, "bfloat16");
  EXPECT_THAT(read->inputs[0].shape, ElementsAre(-1, 3));
  EXPECT_EQ(read->torch, "") << "an older version of export wrote it";
  EXPECT_THAT(ReadPackageSignature(""), IsOk()) << "another made the package";
  const auto with_torch = ReadPackageSignature(R"({"inputs": [], "outputs": [], "torch": "2.13.0+cpu"})");
  ASSERT_THAT(with_torch, IsOk());
  EXPECT_EQ(with_torch->torch, "2.13.0+cpu");
  for (const char* const text : {"{", "[]", R"({"inputs": []})", R"({"inputs": [{"name": "x"}], "outputs": []})",
                                 R"({"inputs": [{"name": "x", "dtype": "real", "shape": []}], "outputs": []})",
                                 R"({"inputs": [{"name": "x", "dtype": "int8", "shape": ["a"]}], "outputs": []})"}) {
    EXPECT_THAT(ReadPackageSignature(text), Fails(Reason::kModelNotReady)) << text;
  }
}

TEST(OperatorOfFunction, IsWhatTorchCallsIt) {
  EXPECT_EQ(OperatorOfFunction("aoti_torch_cpu_bincount"), "aten::bincount");
  EXPECT_EQ(OperatorOfFunction("aoti_torch_cpu_addmm_out"), "aten::addmm.out");
  EXPECT_EQ(OperatorOfFunction("aoti_torch_cpu_index_Tensor"), "aten::index.Tensor");
  EXPECT_EQ(OperatorOfFunction("aoti_torch_cpu_index_put_"), "aten::index_put_");
  EXPECT_EQ(OperatorOfFunction("aoti_torch_cuda_bmm_out"), "aten::bmm.out");
  for (const char* other : {"", "aoti_torch_cpu_", "aoti_torch_cpu__", "aoti_torch_proxy_executor_call_function",
                            "aoti_torch_cpu_no_such_operator", "cpp_fused_add_0"}) {
    EXPECT_EQ(OperatorOfFunction(other), "") << other;
  }
}

TEST(TranslatePackageError, SaysWhatTheOperatorSaid) {
  const std::string failed = "(arg0_1, &buf0_handle) API call failed at /tmp/author/c.wrapper.cpp, line 850";
  EXPECT_THAT(TranslatePackageError("aoti_torch_cpu_bincount" + failed, "bincount only supports 1-d"),
              Fails(Reason::kModelFailed, "aten::bincount: bincount only supports 1-d"));
  EXPECT_THAT(TranslatePackageError("aoti_torch_proxy_executor_call_function" + failed, "no such row"),
              Fails(Reason::kModelFailed, "no such row"));
  EXPECT_THAT(TranslatePackageError("aoti_torch_cpu_addmm_out" + failed, "\"addmm\" not implemented for 'UInt16'"),
              Fails(Reason::kOperatorUnsupported, HasSubstr("addmm")));
  EXPECT_THAT(TranslatePackageError("aoti_torch_cpu_bincount" + failed, ""),
              Fails(Reason::kModelFailed, "torch refused; the server's log has its words"));
  EXPECT_THAT(TranslatePackageError("expected 2 rows", "words of an earlier run"),
              Fails(Reason::kModelFailed, "expected 2 rows"));
}

}  // namespace
}  // namespace tensorferry::inference
