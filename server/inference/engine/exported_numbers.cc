#include "inference/engine/exported_numbers.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>

namespace tensorferry::inference {
namespace {

using c10::IValue;
using Arguments = std::span<const IValue>;

bool IsWhole(const IValue& value) { return value.isInt() || value.isBool(); }

std::int64_t Whole(const IValue& value) { return value.isBool() ? value.toBool() : value.toInt(); }

double Float(const IValue& value) { return IsWhole(value) ? static_cast<double>(Whole(value)) : value.toDouble(); }

bool Truth(const IValue& value) { return IsWhole(value) ? Whole(value) != 0 : value.toDouble() != 0; }

bool AreWhole(Arguments arguments) { return std::ranges::all_of(arguments, IsWhole); }

void CheckFits(bool overflows) { TORCH_CHECK(!overflows, "a whole number does not fit 64 bits"); }

struct Add {
  static std::int64_t Of(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    CheckFits(__builtin_add_overflow(a, b, &result));
    return result;
  }
  static double Of(double a, double b) { return a + b; }
};

struct Subtract {
  static std::int64_t Of(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    CheckFits(__builtin_sub_overflow(a, b, &result));
    return result;
  }
  static double Of(double a, double b) { return a - b; }
};

struct Multiply {
  static std::int64_t Of(std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    CheckFits(__builtin_mul_overflow(a, b, &result));
    return result;
  }
  static double Of(double a, double b) { return a * b; }
};

struct FloorDivide {
  static std::int64_t Of(std::int64_t a, std::int64_t b) {
    TORCH_CHECK(b != 0, "a whole number is divided by zero");
    if (b == -1) return Subtract::Of(std::int64_t{0}, a);
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0) ? 1 : 0);
  }
  // The quotient itself may be rounded up to a whole number: 1 // 0.1 is 9, as 0.1 is a little more than a tenth. So the
  // remainder, which is exact, is taken off first, as CPython does.
  static double Of(double a, double b) {
    TORCH_CHECK(b != 0, "a number is divided by zero");
    const double rest = std::fmod(a, b);
    const double quotient = (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0);
    if (quotient == 0) return std::copysign(0.0, a / b);
    const double below = std::floor(quotient);
    return quotient - below > 0.5 ? below + 1 : below;
  }
};

struct Modulo {
  static std::int64_t Of(std::int64_t a, std::int64_t b) {
    TORCH_CHECK(b != 0, "the remainder of a division by zero is asked for");
    if (b == -1) return 0;
    return a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0);
  }
  static double Of(double a, double b) {
    TORCH_CHECK(b != 0, "the remainder of a division by zero is asked for");
    const double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
  }
};

struct Power {
  static std::int64_t Of(std::int64_t base, std::int64_t exponent) {
    std::int64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
      if ((exponent & 1) != 0) result = Multiply::Of(result, base);
      if (exponent > 1) base = Multiply::Of(base, base);
    }
    return result;
  }
  static double Of(double a, double b) { return std::pow(a, b); }
};

struct Max {
  template <typename T>
  static T Of(T a, T b) {
    return std::max(a, b);
  }
};

struct Min {
  template <typename T>
  static T Of(T a, T b) {
    return std::min(a, b);
  }
};

template <typename Function>
IValue Numeric(Arguments arguments) {
  if (AreWhole(arguments)) return Function::Of(Whole(arguments[0]), Whole(arguments[1]));
  return Function::Of(Float(arguments[0]), Float(arguments[1]));
}

template <typename Comparison>
IValue Compared(Arguments arguments) {
  if (AreWhole(arguments)) return Comparison()(Whole(arguments[0]), Whole(arguments[1]));
  return Comparison()(Float(arguments[0]), Float(arguments[1]));
}

IValue RaisedTo(Arguments arguments) {
  if (AreWhole(arguments) && Whole(arguments[1]) >= 0) return Numeric<Power>(arguments);
  const double base = Float(arguments[0]), exponent = Float(arguments[1]);
  TORCH_CHECK(base != 0 || exponent >= 0, "zero is raised to a negative power");
  const bool has_root = std::isfinite(exponent) && exponent != std::trunc(exponent);
  TORCH_CHECK(!(base < 0 && std::isfinite(base) && has_root), "a root of a negative number is asked for");
  return Power::Of(base, exponent);
}

IValue Divided(Arguments arguments) {
  TORCH_CHECK(Float(arguments[1]) != 0, "a number is divided by zero");
  return Float(arguments[0]) / Float(arguments[1]);
}

IValue Negated(Arguments arguments) {
  if (AreWhole(arguments)) return Subtract::Of(std::int64_t{0}, Whole(arguments[0]));
  return -Float(arguments[0]);
}

IValue Same(Arguments arguments) { return arguments[0]; }

// Rounds to a whole number.
template <double (*Round)(double)>
IValue Rounded(Arguments arguments) {
  if (AreWhole(arguments)) return Whole(arguments[0]);
  const double rounded = Round(Float(arguments[0]));
  TORCH_CHECK(std::abs(rounded) < 0x1p63, "a number does not fit 64 bits");
  return static_cast<std::int64_t>(rounded);
}

double Truncate(double number) { return std::trunc(number); }
double Floor(double number) { return std::floor(number); }
double Ceil(double number) { return std::ceil(number); }

IValue ToFloat(Arguments arguments) { return Float(arguments[0]); }

IValue SquareRoot(Arguments arguments) {
  TORCH_CHECK(Float(arguments[0]) >= 0, "the square root of a negative number is asked for");
  return std::sqrt(Float(arguments[0]));
}

IValue Not(Arguments arguments) { return !Truth(arguments[0]); }

IValue IfElse(Arguments arguments) { return arguments[Truth(arguments[0]) ? 1 : 2]; }

template <typename Function>
IValue Bitwise(Arguments arguments) {
  if (arguments[0].isBool() && arguments[1].isBool()) {
    return Function()(static_cast<int>(arguments[0].toBool()), static_cast<int>(arguments[1].toBool())) != 0;
  }
  return Function()(Whole(arguments[0]), Whole(arguments[1]));
}

std::int64_t ShiftOf(const IValue& value) {
  const std::int64_t shift = Whole(value);
  TORCH_CHECK(shift >= 0 && shift < 63, "a number is shifted by ", shift, " bits");
  return shift;
}

IValue ShiftedLeft(Arguments arguments) {
  return Multiply::Of(Whole(arguments[0]), std::int64_t{1} << ShiftOf(arguments[1]));
}

IValue ShiftedRight(Arguments arguments) { return Whole(arguments[0]) >> ShiftOf(arguments[1]); }

constexpr auto kFunctions = std::to_array<NumberFunction>({
    {"_operator.add", 2, Numeric<Add>},
    {"_operator.sub", 2, Numeric<Subtract>},
    {"_operator.mul", 2, Numeric<Multiply>},
    {"_operator.floordiv", 2, Numeric<FloorDivide>},
    {"_operator.mod", 2, Numeric<Modulo>},
    {"_operator.pow", 2, RaisedTo},
    {"_operator.truediv", 2, Divided},
    {"_operator.neg", 1, Negated},
    {"_operator.pos", 1, Same},
    {"_operator.eq", 2, Compared<std::equal_to<>>},
    {"_operator.ne", 2, Compared<std::not_equal_to<>>},
    {"_operator.le", 2, Compared<std::less_equal<>>},
    {"_operator.ge", 2, Compared<std::greater_equal<>>},
    {"_operator.lt", 2, Compared<std::less<>>},
    {"_operator.gt", 2, Compared<std::greater<>>},
    {"_operator.and_", 2, Bitwise<std::bit_and<>>},
    {"_operator.or_", 2, Bitwise<std::bit_or<>>},
    {"_operator.lshift", 2, ShiftedLeft},
    {"_operator.rshift", 2, ShiftedRight},
    {"math.trunc", 1, Rounded<Truncate>},
    {"math.floor", 1, Rounded<Floor>},
    {"math.ceil", 1, Rounded<Ceil>},
    {"torch.sym_int", 1, Rounded<Truncate>},
    {"torch.sym_float", 1, ToFloat},
    {"torch.sym_not", 1, Not},
    {"torch.sym_ite", 3, IfElse},
    {"torch.sym_max", 2, Numeric<Max>},
    {"torch.sym_min", 2, Numeric<Min>},
    {"torch.sym_sqrt", 1, SquareRoot},
    {"torch._sym_sqrt", 1, SquareRoot},
});

}  // namespace

const NumberFunction* FindNumberFunction(std::string_view name) {
  const auto found = std::ranges::find(kFunctions, name, &NumberFunction::name);
  return found == kFunctions.end() ? nullptr : found;
}

}  // namespace tensorferry::inference
