// JSON of callers, read within bounds.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"

namespace tensorferry::web {

// TreeLimits bounds the tree that a text becomes: a tree takes some forty times the bytes of a text of small values.
struct TreeLimits {
  std::size_t values = std::size_t{1} << 16;
  std::size_t depth = 64;
  std::size_t text_bytes = std::size_t{1} << 20;  // Of all names and texts together.
};

// TreeSax makes a tree of the events of JSON's parser.
class TreeSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  using Json = nlohmann::json;

  explicit TreeSax(const TreeLimits& limits) : limits_(limits) {}

  bool null() override { return Value(nullptr); }
  bool boolean(bool value) override { return Value(value); }
  bool number_integer(number_integer_t value) override { return Value(value); }
  bool number_unsigned(number_unsigned_t value) override { return Value(value); }
  bool number_float(number_float_t value, const string_t& /*digits*/) override { return Value(value); }
  bool string(string_t& value) override { return CountText(value) && Value(value); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override { return Open(Json::object()); }
  bool key(string_t& value) override;
  bool end_object() override { return End(); }
  bool start_array(std::size_t /*elements*/) override { return Open(Json::array()); }
  bool end_array() override { return End(); }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& error) override;

  Json& tree() { return tree_; }
  // BAD_HEADER, which says what is wrong, once an event was not taken.
  const absl::Status& error() const { return error_; }

 protected:
  bool Value(Json value);
  bool Open(Json container);
  bool End();
  bool Fail(absl::Status error);

  const std::vector<Json*>& open() const { return open_; }  // The containers in which the next value stands.
  const std::string& last_key() const { return key_; }

 private:
  Json* Place(Json value);
  bool CountValue();
  bool CountText(const std::string& text);

  const TreeLimits limits_;
  Json tree_;
  std::vector<Json*> open_;
  std::string key_;
  std::size_t values_ = 0;
  std::size_t text_bytes_ = 0;
  absl::Status error_;
};

// Returns the number of bytes of the longest piece of `json` that its parser keeps: a name, a text or a number, and what
// stands between it and the next one.
std::size_t LongestToken(std::string_view json);

// Admits the memory that the parser takes for names, texts and numbers, and for what it says of them; hold it as long as
// the parser runs.
// Errors: those of MemoryBudget::Reserve.
absl::StatusOr<MemoryBudget::Reservation> RoomForTokens(std::string_view json, const PoolFor& pool);

}  // namespace tensorferry::web
