// What a ModelInferRequest says, decoded and unchecked. The structs here are views of the message: nothing is copied.
#pragma once

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

// A named value. std::monostate stands for a value in none of the forms that the protocol knows.
struct ParameterView {
  std::string_view name;
  std::variant<std::monostate, bool, std::int64_t, std::string_view, double, std::uint64_t> value;
};

struct InferInputView {
  std::string_view name;
  std::string_view datatype;
  Shape shape;
  std::vector<ParameterView> parameters;  // Their names are distinct, their order is any; here and below.
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
