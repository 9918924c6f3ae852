// The functions of Python's on numbers: what they give is what Python gives.
#include "inference/engine/exported_numbers.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>

#include <limits>
#include <ostream>
#include <string>
#include <vector>

namespace tensorferry::inference {
namespace {

using c10::IValue;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

IValue Int(std::int64_t number) { return number; }

struct Case {
  std::string function;
  std::vector<IValue> arguments;
  IValue result;
};

TEST(NumberFunction, GivesWhatPythonGives) {
  for (const Case& one : std::vector<Case>{{"_operator.add", {Int(2), Int(3)}, Int(5)},
                                           {"_operator.add", {Int(2), 0.5}, 2.5},
                                           {"_operator.sub", {Int(2), Int(3)}, Int(-1)},
                                           {"_operator.mul", {Int(-2), Int(3)}, Int(-6)},
                                           {"_operator.floordiv", {Int(-7), Int(2)}, Int(-4)},
                                           {"_operator.floordiv", {Int(7), Int(-2)}, Int(-4)},
                                           {"_operator.floordiv", {Int(-8), Int(2)}, Int(-4)},
                                           {"_operator.floordiv", {7.5, Int(2)}, 3.0},
                                           {"_operator.floordiv", {Int(1), 0.1}, 9.0},
                                           {"_operator.floordiv", {0.7, 0.1}, 6.0},
                                           {"_operator.floordiv", {-0.7, 0.1}, -7.0},
                                           {"_operator.floordiv", {Int(-1), 3.0}, -1.0},
                                           {"_operator.floordiv", {1e300, Int(3)}, 1e300 / 3},
                                           {"_operator.mod", {Int(-7), Int(3)}, Int(2)},
                                           {"_operator.mod", {Int(7), Int(-3)}, Int(-2)},
                                           {"_operator.mod", {-7.5, Int(2)}, 0.5},
                                           {"_operator.pow", {Int(3), Int(4)}, Int(81)},
                                           {"_operator.pow", {Int(2), Int(-1)}, 0.5},
                                           {"_operator.truediv", {Int(7), Int(2)}, 3.5},
                                           {"_operator.neg", {Int(7)}, Int(-7)},
                                           {"_operator.le", {Int(2), Int(2)}, true},
                                           {"_operator.gt", {Int(2), 2.5}, false},
                                           {"_operator.and_", {true, false}, false},
                                           {"_operator.or_", {Int(6), Int(1)}, Int(7)},
                                           {"_operator.lshift", {Int(3), Int(2)}, Int(12)},
                                           {"math.trunc", {-2.5}, Int(-2)},
                                           {"math.floor", {-2.5}, Int(-3)},
                                           {"math.ceil", {-2.5}, Int(-2)},
                                           {"torch.sym_float", {Int(3)}, 3.0},
                                           {"torch.sym_not", {false}, true},
                                           {"torch.sym_ite", {true, Int(1), Int(2)}, Int(1)},
                                           {"torch.sym_max", {Int(1), Int(2)}, Int(2)},
                                           {"torch.sym_min", {1.5, Int(2)}, 1.5}}) {
    const NumberFunction* const function = FindNumberFunction(one.function);
    ASSERT_NE(function, nullptr) << one.function;
    EXPECT_EQ(function->arity, one.arguments.size()) << one.function;
    const IValue result = function->call(one.arguments);
    EXPECT_TRUE(result.tagKind() == one.result.tagKind() && result == one.result)
        << one.function << " of " << one.arguments << " gives " << result;
  }
}

TEST(NumberFunction, ThrowsWherePythonRaisesOrTheNumberDoesNotFit) {
  for (const Case& one : std::vector<Case>{{"_operator.add", {kMost, Int(1)}, {}},
                                           {"_operator.mul", {kMost, Int(2)}, {}},
                                           {"_operator.neg", {kLeast}, {}},
                                           {"_operator.floordiv", {kLeast, Int(-1)}, {}},
                                           {"_operator.floordiv", {Int(1), Int(0)}, {}},
                                           {"_operator.mod", {Int(1), Int(0)}, {}},
                                           {"_operator.truediv", {Int(1), Int(0)}, {}},
                                           {"_operator.pow", {Int(10), Int(40)}, {}},
                                           {"_operator.pow", {Int(0), Int(-1)}, {}},
                                           {"_operator.pow", {-8.0, 0.5}, {}},
                                           {"_operator.lshift", {Int(1), Int(64)}, {}},
                                           {"math.floor", {1e300}, {}},
                                           {"math.floor", {std::numeric_limits<double>::quiet_NaN()}, {}},
                                           {"_operator.add", {Int(1), std::string("1")}, {}},
                                           {"_operator.add", {IValue(), Int(1)}, {}}}) {
    EXPECT_THROW(FindNumberFunction(one.function)->call(one.arguments), c10::Error) << one.function;
  }
  EXPECT_EQ(FindNumberFunction("os.system"), nullptr);
}

}  // namespace
}  // namespace tensorferry::inference
