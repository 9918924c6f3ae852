#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tensorferry::inference {

// DimExpression computes a number from sizes of dimensions: whole numbers and symbols, with + - * %, parentheses, and
// divisions that round down. AOTInductor writes such expressions into its C++ source; torch.export writes them in Python,
// and in SymPy's long form, Mul(Integer(2), Symbol('s77', positive=True)).
class DimExpression {
 public:
  // Returns the number of the symbol of this name, or nothing if there is none.
  using SymbolByName = std::function<std::optional<std::size_t>(std::string_view)>;

  enum class Language : std::uint8_t { kCpp, kPython };

  // Reads an expression. Returns nothing if the text has anything else in it.
  static std::optional<DimExpression> Parse(std::string_view text, const SymbolByName& symbol_by_name,
                                            Language language = Language::kCpp);

  // Returns the expression that is the symbol.
  static DimExpression Symbol(std::size_t symbol) { return DimExpression({{Op::kSymbol, 0, symbol}}); }

  // Computes the expression for the symbols' values. Returns nothing if a number does not fit 64 bits, and for a
  // division by zero.
  std::optional<std::int64_t> Value(std::span<const std::int64_t> symbols) const;

  // Writes the expression for people, with names for the symbols.
  std::string ToText(const std::function<std::string(std::size_t)>& name_of) const;

 private:
  friend class DimExpressionParser;

  enum class Op : std::uint8_t {
    kNumber,
    kSymbol,
    kAdd,
    kSubtract,
    kMultiply,
    kRemainder,  // As in C++: it has the sign of the dividend.
    kFloorDivide,
    kModulo,  // As in Python: it has the sign of the divisor.
    kMin,
    kMax
  };
  struct Step {  // A step pushes a value, or takes the last two and pushes the result.
    Op op;
    std::int64_t number = 0;
    std::size_t symbol = 0;
  };
  static constexpr std::size_t kMaxSteps = 64;

  explicit DimExpression(std::vector<Step> steps) : steps_(std::move(steps)) {}

  static std::optional<std::int64_t> Apply(Op op, std::int64_t left, std::int64_t right);

  std::vector<Step> steps_;
};

}  // namespace tensorferry::inference
