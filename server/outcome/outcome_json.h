// The JSON that says what came of the arrays of a file: `tensorferry convert --json` prints it, and POST /v1/convert
// answers with it. Programs read it, so names and forms stay.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "payload/digest.h"

namespace tensorferry::outcome {

using Json = nlohmann::ordered_json;  // Keys keep the order in which they are documented.

// TensorFacts is what the server says of a tensor. Borrows the response.
struct TensorFacts {
  std::string_view name;
  std::string_view dtype;
  std::span<const std::int64_t> shape;
  std::span<const std::int64_t> strides;  // In elements.
  std::int64_t numel = 0;
  std::int64_t nbytes = 0;
  std::string_view device;
};

// ReceiptFacts is what is said of a converted array besides. Borrows the response.
struct ReceiptFacts {
  std::string_view source_dtype;
  std::string_view numpy_dtype;
  bool dtype_equal = false;
  std::vector<std::string_view> adjustments;  // kByteOrderSwapped, kBoolNormalized.
  std::optional<Digest> digest;
  bool digest_equal = false;  // Whether `digest` is that of the array's own elements.
};

inline constexpr std::string_view kByteOrderSwapped = "BYTE_ORDER_SWAPPED";
inline constexpr std::string_view kBoolNormalized = "BOOL_NORMALIZED";

struct ErrorFacts {
  std::string code;    // "INVALID_ARGUMENT".
  std::string reason;  // Empty: there is none.
  std::string message;
  std::map<std::string, std::string> metadata;
};

// RefusedFacts is an array that was not converted.
struct RefusedFacts {
  std::string file;
  std::string name;
  ErrorFacts error;
};

struct TimingFacts {
  std::int64_t receive_ns = 0;
  std::int64_t convert_ns = 0;
  std::int64_t queue_ns = 0;
  std::int64_t compute_ns = 0;
};

// OutcomeFacts is the whole. The lists hold what the functions below return.
struct OutcomeFacts {
  std::string server;
  std::string request_id;
  std::string model;
  std::string model_version;
  Json tensors = Json::array();
  Json outputs = Json::array();
  Json refused = Json::array();
  std::vector<std::string> skipped;  // Members that are no arrays.
  TimingFacts timing;
  std::optional<ErrorFacts> error;  // Why nothing was converted, or why not everything was tried.
};

Json OutputJson(const TensorFacts& tensor);
Json TensorJson(const TensorFacts& tensor, const ReceiptFacts& receipt);
Json RefusedJson(const RefusedFacts& refused);

// Returns one object on one line. Text from elsewhere that is not UTF-8 is made so.
std::string OutcomeText(const OutcomeFacts& outcome);

// Returns the 32 hexadecimal digits of a digest.
std::string HexText(const Digest& digest);

}  // namespace tensorferry::outcome
