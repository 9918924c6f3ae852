// These tests read from the source of packages, in the words of torch 2.13, whether runs change what is kept.
#include "inference/engine/aoti_writes.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace tensorferry::inference {
namespace {

// SourceThat returns the source of a package with the constants `n` and `n_1`, whose run has this statement.
std::string SourceThat(const std::string& statement) {
  return "void AOTInductorModel::run_impl(\n    AtenTensorHandle* input_handles\n) {\n"
         "    [[maybe_unused]] auto& n = constants_->at(0);\n"
         "    [[maybe_unused]] auto& n_1 = constants_->at(1);\n    " +
         statement + "\n} // AOTInductorModel::run_impl\n// Compile cmd\n// g++ (float*)(n.data_ptr())\n";
}

struct Statement {
  const char* name;
  const char* text;
  bool writes;
  friend std::ostream& operator<<(std::ostream& out, const Statement& statement) { return out << statement.name; }
};

class ConstantsOfAPackage : public testing::TestWithParam<Statement> {};

TEST_P(ConstantsOfAPackage, AreWrittenByARunThatSaysSo) {
  EXPECT_EQ(WritesToConstants(SourceThat(GetParam().text)), GetParam().writes);
}

INSTANTIATE_TEST_SUITE_P(
    Statements, ConstantsOfAPackage,
    testing::Values(
        Statement{"KernelReads", "cpp_fused_0((const float*)(n.data_ptr()), (float*)(buf0.data_ptr()));", false},
        Statement{"KernelWrites", "cpp_fused_0((const float*)(n.data_ptr()), (float*)(n.data_ptr()));", true},
        Statement{"KernelWritesSecond", "cpp_fused_0((int64_t*)(n_1.data_ptr()));", true},
        Statement{"KernelWritesAnother", "cpp_fused_0((float*)(n_2.data_ptr()), (float*)(buf_n.data_ptr()));", false},
        Statement{"FunctionReads", "CHECK(aoti_torch_cpu_addmm_out(buf1, n, arg0_1, n_1, 1L, 1L));", false},
        Statement{"FunctionReadsView",
                  "CHECK(aoti_torch_cpu_addmm_out(buf1, buf0, wrap(reinterpret_tensor_wrapper(n, 2, a, b, 0L))));",
                  false},
        Statement{"FunctionWritesInto", "CHECK(aoti_torch_cpu_addmm_out(n, n_1, arg0_1, buf0, 1L, 1L));", true},
        Statement{"FunctionWorksInPlace", "CHECK(aoti_torch_copy_(n, buf0, 0));", true},
        Statement{"FunctionWritesIntoView",
                  "CHECK(aoti_torch_copy_(wrap(reinterpret_tensor_wrapper(n, 1, a, b, 0L)), buf0, 0));", true},
        Statement{"NamedViewIsWritten",
                  "auto var_0 = wrap_with_raii_handle_if_needed(reinterpret_tensor_wrapper(n, 1, a, b, 0L));\n"
                  "CHECK(aoti_torch_cpu_index_put_(var_0, list, 1, buf0, false));",
                  true},
        Statement{"DispatcherTakesIt",
                  "CHECK(aoti_torch_proxy_executor_call_function(proxy_executor, 0, 0, "
                  "std::array<int64_t, 0>{}.data(), 2, std::array<AtenTensorHandle, 2>{arg0_1, n}.data()));",
                  true},
        Statement{"DispatcherTakesOthers",
                  "CHECK(aoti_torch_proxy_executor_call_function(proxy_executor, 0, 0, "
                  "std::array<int64_t, 0>{}.data(), 1, std::array<AtenTensorHandle, 1>{buf1}.data()));",
                  false}),
    [](const auto& statement) { return std::string(statement.param.name); });

TEST(ConstantsOfAPackageWithoutSource, AreTakenToStay) { EXPECT_FALSE(WritesToConstants("")); }

}  // namespace
}  // namespace tensorferry::inference
