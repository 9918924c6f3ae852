#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "inference/engine/aoti_bounds.h"
#include "inference/engine/dim_expression.h"

namespace tensorferry::inference {

// DimCondition is a condition with one sign.
struct DimCondition {
  std::string_view left, sign, right;
};

// Splits a condition at its sign, which stands outside of parentheses. Returns an empty sign if there is none, or more
// than one.
DimCondition SplitCondition(std::string_view text);

// Returns the name of the symbol that a size in SymPy's long form is; an empty text if it is a number or an expression.
std::string SymbolIn(std::string_view size);

// DimRelations are what the sizes of a package's inputs must be to each other, as its generated source says: a dimension
// is a multiple or a sum of others (assert_size_stride), or a condition holds (the assertions into which torch.export
// turns guards if it is called with prefer_deferred_runtime_asserts_over_guards). Equal dimensions are not among them:
// InputBounds have these.
class DimRelations {
 public:
  // Reads the relations. `names` are those of the package's inputs, for messages. What is not understood is left to the
  // checks in the compiled code.
  static DimRelations Read(std::string_view source, const std::vector<InputBounds>& bounds,
                           const std::vector<std::string>& names);

  // Makes the relations of an exported program. The symbols in `bounds` are expressions in SymPy's long form; `guards`
  // are conditions of Python's on `L['x'].size()[0]` and the like, where the path leads to the input that the exporter
  // called x. Equal dimensions are among these relations.
  static DimRelations OfProgram(const std::vector<InputBounds>& bounds, const std::vector<std::string>& names,
                                const std::vector<std::string>& guards);

  // Returns the guards that OfProgram has not understood: nobody checks them.
  const std::vector<std::string>& not_understood() const { return not_understood_; }

  // Checks the package's inputs. `least_rows` is the least that their first dimensions will have when it runs.
  // Errors: INPUT_MISMATCH.
  absl::Status Check(const std::vector<at::Tensor>& inputs, std::int64_t least_rows) const;

  // Describes two dimensions that vary by themselves although nothing says that they may. The text is empty if there are
  // none, and if the source has any assertion about dimensions.
  const std::string& unchecked() const { return unchecked_; }

 private:
  enum class Sign : std::uint8_t { kEqual, kUnequal, kAtMost, kAtLeast, kLess, kGreater };
  struct Place {
    std::size_t input, dim;
  };
  struct Relation {
    DimExpression left, right;
    Sign sign;
    std::string text;
  };

  static bool Holds(Sign sign, std::int64_t left, std::int64_t right);

  void AddSizes(const std::vector<InputBounds>& bounds);
  void AddSizeOfHidden(Place place, const std::string& size);
  bool AddGuard(std::string_view guard);
  std::optional<std::string> WithSymbols(std::string_view guard);
  std::optional<std::size_t> InputOfPath(const std::vector<std::string>& path) const;
  std::size_t SymbolAt(Place place);
  // Adds a relation between two expressions. Returns false if they are not understood.
  bool Add(std::string_view left, std::string_view sign, std::string_view right,
           const DimExpression::SymbolByName& symbol_by_name,
           DimExpression::Language language = DimExpression::Language::kCpp);
  void AddAssertions(std::string_view source, const DimExpression::SymbolByName& symbol_by_name);
  std::string NameOf(std::size_t symbol) const;

  std::vector<std::string> names_;
  std::vector<std::size_t> dims_;  // For OfProgram: how many dimensions each input has.
  std::vector<Place> symbols_;
  std::vector<Relation> relations_;
  std::string unchecked_;
  std::vector<std::string> not_understood_;
  std::string_view made_ = "the package was compiled";  // What set the conditions, for messages.
};

}  // namespace tensorferry::inference
