#include "inference/engine/dim_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace tensorferry::inference {

// DimExpressionParser reads by recursive descent. Each function returns whether it could read.
class DimExpressionParser {
 public:
  using Op = DimExpression::Op;

  DimExpressionParser(std::string_view text, const DimExpression::SymbolByName& symbol_by_name,
                      DimExpression::Language language)
      : rest_(text), symbol_by_name_(symbol_by_name), is_python_(language == DimExpression::Language::kPython) {}

  std::optional<DimExpression> Parse() {
    if (!Sum() || !rest_.empty() || steps_.size() > DimExpression::kMaxSteps) return std::nullopt;
    return DimExpression(std::move(steps_));
  }

 private:
  static constexpr int kMaxDepth = 32;

  bool Sum() {
    if (!Product()) return false;
    while (true) {
      if (Take("+")) {
        if (!Product() || !Push(Op::kAdd)) return false;
      } else if (Take("-")) {
        if (!Product() || !Push(Op::kSubtract)) return false;
      } else {
        return true;
      }
    }
  }

  bool Product() {
    if (!Factor()) return false;
    while (true) {
      if (rest_.starts_with("**")) return false;
      if (Take("*")) {
        if (!Factor() || !Push(Op::kMultiply)) return false;
      } else if (Take("%")) {
        if (!Factor() || !Push(is_python_ ? Op::kModulo : Op::kRemainder)) return false;
      } else if (is_python_ && Take("//")) {
        if (!Factor() || !Push(Op::kFloorDivide)) return false;
      } else {
        return true;
      }
    }
  }

  bool Factor() {
    if (++depth_ > kMaxDepth) return false;
    const bool read = FactorAtDepth();
    --depth_;
    return read;
  }

  bool FactorAtDepth() {
    if (Number()) return true;
    if (Take("-")) {
      steps_.push_back({Op::kNumber, 0});
      return Factor() && Push(Op::kSubtract);
    }
    if (Take("(")) return Sum() && Take(")");
    if (is_python_) return Call();
    if (Take("static_cast<int64_t>(")) return Sum() && Take(")");
    if (Take("c10::div_floor_integer(")) {
      return Sum() && Take(",") && Sum() && Take(")") && Push(Op::kFloorDivide);
    }
    return Name();
  }

  // Reads a call of a function of Python's or SymPy's, or a name.
  bool Call() {
    struct Function {
      std::string_view call;
      Op op;
    };
    static constexpr auto kFunctions = std::to_array<Function>({{"Add(", Op::kAdd},
                                                                {"Mul(", Op::kMultiply},
                                                                {"FloorDiv(", Op::kFloorDivide},
                                                                {"Mod(", Op::kModulo},
                                                                {"PythonMod(", Op::kModulo},
                                                                {"Min(", Op::kMin},
                                                                {"Max(", Op::kMax},
                                                                {"min(", Op::kMin},
                                                                {"max(", Op::kMax}});
    if (Take("Integer(")) return Number() && Take(")");
    if (Take("Symbol('")) {
      if (!Name()) return false;
      const std::size_t end = rest_.find(')');  // What is assumed of the symbol stands before it.
      rest_.remove_prefix(std::min(end, rest_.size()));
      return Take(")");
    }
    for (const auto& [call, op] : kFunctions) {
      if (!Take(call)) continue;
      if (!Sum()) return false;
      while (Take(",")) {
        if (!Sum() || !Push(op)) return false;
      }
      return Take(")");
    }
    return Name();
  }

  bool Number() {
    SkipSpace();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (rest_.starts_with('L')) rest_.remove_prefix(1);
    SkipSpace();
    steps_.push_back({Op::kNumber, number});
    return true;
  }

  bool Name() {
    std::size_t nbytes = 0;
    while (nbytes < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[nbytes])) || rest_[nbytes] == '_')) {
      ++nbytes;
    }
    const auto symbol = symbol_by_name_(rest_.substr(0, nbytes));
    if (nbytes == 0 || !symbol) return false;
    rest_.remove_prefix(nbytes);
    SkipSpace();
    steps_.push_back({Op::kSymbol, 0, *symbol});
    return true;
  }

  bool Take(std::string_view word) {
    SkipSpace();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    SkipSpace();
    return true;
  }

  void SkipSpace() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }

  bool Push(Op op) {
    steps_.push_back({op});
    return true;
  }

  std::string_view rest_;
  const DimExpression::SymbolByName& symbol_by_name_;
  std::vector<DimExpression::Step> steps_;
  const bool is_python_;
  int depth_ = 0;
};

std::optional<DimExpression> DimExpression::Parse(std::string_view text, const SymbolByName& symbol_by_name,
                                                  Language language) {
  return DimExpressionParser(text, symbol_by_name, language).Parse();
}

std::optional<std::int64_t> DimExpression::Value(std::span<const std::int64_t> symbols) const {
  std::array<std::int64_t, kMaxSteps> stack{};
  std::size_t size = 0;
  for (const Step& step : steps_) {
    if (step.op == Op::kNumber || step.op == Op::kSymbol) {
      stack[size++] = step.op == Op::kNumber ? step.number : symbols[step.symbol];
      continue;
    }
    const auto result = Apply(step.op, stack[size - 2], stack[size - 1]);
    if (!result) return std::nullopt;
    stack[--size - 1] = *result;
  }
  return stack[0];
}

std::optional<std::int64_t> DimExpression::Apply(Op op, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  switch (op) {
    case Op::kAdd: return __builtin_add_overflow(left, right, &result) ? std::nullopt : std::optional(result);
    case Op::kSubtract: return __builtin_sub_overflow(left, right, &result) ? std::nullopt : std::optional(result);
    case Op::kMultiply: return __builtin_mul_overflow(left, right, &result) ? std::nullopt : std::optional(result);
    case Op::kRemainder:
    case Op::kModulo:
    case Op::kFloorDivide:
      if (right <= 0) return std::nullopt;  // Sizes are divided by numbers and sizes alone.
      if (op == Op::kRemainder) return left % right;
      if (op == Op::kModulo) return left % right + (left % right < 0 ? right : 0);
      return left / right - (left % right < 0 ? 1 : 0);
    case Op::kMin: return std::min(left, right);
    case Op::kMax: return std::max(left, right);
    case Op::kNumber:
    case Op::kSymbol: break;
  }
  __builtin_unreachable();
}

std::string DimExpression::ToText(const std::function<std::string(std::size_t)>& name_of) const {
  std::vector<std::string> stack;
  for (const Step& step : steps_) {
    if (step.op == Op::kNumber || step.op == Op::kSymbol) {
      stack.push_back(step.op == Op::kNumber ? fmt::to_string(step.number) : name_of(step.symbol));
      continue;
    }
    const std::string right = std::move(stack.back());
    stack.pop_back();
    constexpr std::string_view kSignOfOp[] = {"", "", "+", "-", "*", "%", "//", "%", "min", "max"};
    stack.back() = fmt::format("({} {} {})", stack.back(), kSignOfOp[static_cast<std::size_t>(step.op)], right);
  }
  std::string text = std::move(stack.back());
  if (text.starts_with('(') && steps_.size() > 1) text = text.substr(1, text.size() - 2);
  return text;
}

}  // namespace tensorferry::inference
