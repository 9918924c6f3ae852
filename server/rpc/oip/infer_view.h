// Views of a ModelInferRequest, decoded and unchecked. They borrow the message: nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "payload/scattered_bytes.h"
#include "payload/shape.h"
#include "rpc/triton_config/triton_namespace.h"

namespace inference {
class InferTensorContents;
}

namespace tensorferry::rpc {

// ParameterView is a named value. std::monostate stands for a value in none of the forms that the protocol knows.
struct ParameterView {
  std::string_view name;
  std::variant<std::monostate, bool, std::int64_t, std::string_view, double, std::uint64_t> value;
};

// The most parameters that a request itself may have, and an input or output that is read in place.
inline constexpr std::size_t kMaxParameters = 256;

struct InferInputView {
  std::string_view name;
  std::string_view datatype;
  Shape shape;
  // Their names are distinct, and their order is any. This is so for each `parameters` in this file.
  std::vector<ParameterView> parameters;
  const triton::InferTensorContents* contents = nullptr;  // Null: the message has none.
};

struct InferOutputView {
  std::string_view name;
  std::vector<ParameterView> parameters;
};

struct InferRequestView {
  std::string_view model_name;
  std::string_view model_version;
  std::string_view id;
  std::vector<ParameterView> parameters;
  std::vector<InferInputView> inputs;
  std::vector<InferOutputView> outputs;
  std::vector<ScatteredBytes> raw_input_contents;
};

}  // namespace tensorferry::rpc
