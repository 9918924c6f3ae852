#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "web/counted_text.h"
#include "web/infer_body.h"
#include "web/json_tree.h"
#include "web/tensor_text.h"

namespace tensorferry::web {

// InferSax reads the JSON of a request for inference event by event: the `data` of an input straight into elements, and
// all else into a tree, which has no `data`. An input whose `datatype` stands behind its `data` is skipped, and read in a
// second pass that knows the datatypes of the first.
class InferSax : public TreeSax {
 public:
  // `datatypes` are those of the first pass; empty in that. `beside` is the number of bytes that are held for the request.
  InferSax(const BodyLimits& limits, std::uint64_t beside, std::vector<std::string> datatypes)
      : TreeSax(TreeLimits()), limits_(limits), beside_(beside), datatypes_(std::move(datatypes)) {}

  bool null() override { return InData() ? RefuseInData("a null") : TreeSax::null(); }
  bool boolean(bool value) override;
  bool number_integer(number_integer_t value) override;
  bool number_unsigned(number_unsigned_t value) override;
  bool number_float(number_float_t value, const string_t& digits) override;
  bool string(string_t& value) override;
  bool start_object(std::size_t elements) override;
  bool key(string_t& value) override;
  bool start_array(std::size_t elements) override;
  bool end_array() override;

  // The elements of each input with `data`, by its place among the inputs.
  std::vector<std::optional<CountedText>>& elements() { return elements_; }
  bool skipped() const { return skipped_; }

 private:
  // What the innermost open list of an input's `data` holds so far.
  enum class Holds : std::uint8_t { kNothing, kLists, kOneNumber, kTwoNumbers };

  bool InData() const { return data_depth_ > 0 || data_next_; }
  bool FailInInput(const absl::Status& error);
  bool RefuseInData(std::string_view kind);
  bool StartData();
  template <typename Put>
  bool Element(std::string_view kind, std::size_t most_bytes, const Put& put);
  bool IsPartOfPair();
  bool FailPair();
  std::size_t InputIndex() const;

  const BodyLimits limits_;
  const std::uint64_t beside_;
  const std::vector<std::string> datatypes_;
  bool data_next_ = false;      // Whether the next value is an input's `data`.
  std::size_t data_depth_ = 0;  // How deep in an input's `data` the next value is; 0: outside.
  Holds holds_ = Holds::kNothing;
  std::optional<TextType> type_;
  std::string datatype_;
  std::uint64_t element_ = 0;  // Of an input's `data`, the next one.
  std::vector<std::optional<CountedText>> elements_;
  std::uint64_t element_bytes_ = 0;
  bool skipped_ = false;
};

}  // namespace tensorferry::web
