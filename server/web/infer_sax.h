#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "web/tensor_text.h"

namespace tensorferry::web {

// InferSax reads the JSON of a request for inference event by event: the `data` of an input straight into elements, and
// all else into a tree, which has no `data`. An input whose `datatype` stands behind its `data` is skipped, and read in a
// second pass that knows the datatypes of the first.
class InferSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  using Json = nlohmann::json;

  // `datatypes` are those of the first pass; empty in that.
  InferSax(std::uint64_t max_element_bytes, std::vector<std::string> datatypes)
      : max_element_bytes_(max_element_bytes), datatypes_(std::move(datatypes)) {}

  bool null() override { return Value(nullptr); }
  bool boolean(bool value) override;
  bool number_integer(number_integer_t value) override;
  bool number_unsigned(number_unsigned_t value) override;
  bool number_float(number_float_t value, const string_t& digits) override;
  bool string(string_t& value) override;
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override;
  bool key(string_t& value) override;
  bool end_object() override { return End(); }
  bool start_array(std::size_t /*elements*/) override;
  bool end_array() override { return End(); }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& error) override;

  const Json& tree() const { return tree_; }
  // The elements of each input with `data`, by its place among the inputs.
  std::vector<std::optional<std::string>>& elements() { return elements_; }
  bool skipped() const { return skipped_; }
  const absl::Status& error() const { return error_; }

 private:
  bool InData() const { return data_depth_ > 0 || data_next_; }
  bool Value(Json value);
  Json* Place(Json value);
  bool End();
  bool Open(Json container);
  bool StartData();
  template <typename Put>
  bool Element(const Put& put);
  std::size_t InputIndex() const;
  bool Fail(absl::Status error);

  const std::uint64_t max_element_bytes_;
  const std::vector<std::string> datatypes_;
  Json tree_;
  std::vector<Json*> open_;  // The containers in which the next value stands.
  std::string key_;
  std::size_t nodes_ = 0;
  bool data_next_ = false;      // Whether the next value is an input's `data`.
  std::size_t data_depth_ = 0;  // How deep in an input's `data` the next value is; 0: outside.
  std::optional<TextType> type_;
  std::vector<std::optional<std::string>> elements_;
  std::uint64_t element_bytes_ = 0;
  bool skipped_ = false;
  absl::Status error_;
};

}  // namespace tensorferry::web
