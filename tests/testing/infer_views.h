// These functions compare what this server reads in a ModelInferRequest with what protobuf's own parser reads: that is
// the oracle.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "rpc/library_versions.h"
#include "rpc/oip/infer_decoder.h"
#include "rpc/oip/infer_reader.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry {

// ProtobufInferReading is a message as ParseFromString reads it.
struct ProtobufInferReading {
  explicit ProtobufInferReading(const std::string& message) {
    const rpc::QuietLibraries silencer;  // Else protobuf logs thousands of messages that do not parse.
    parses = request.ParseFromString(message);
  }

  triton::ModelInferRequest request;
  bool parses = false;
};

inline bool Equal(const rpc::ParameterView& view, const triton::InferParameter& expected) {
  using Choice = triton::InferParameter::ParameterChoiceCase;
  const Choice choice = expected.parameter_choice_case();
  const auto compare = [&](const auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, std::monostate>) {
      return choice == Choice::PARAMETER_CHOICE_NOT_SET;
    } else if constexpr (std::is_same_v<Value, bool>) {
      return choice == Choice::kBoolParam && value == expected.bool_param();
    } else if constexpr (std::is_same_v<Value, std::int64_t>) {
      return choice == Choice::kInt64Param && value == expected.int64_param();
    } else if constexpr (std::is_same_v<Value, std::string_view>) {
      return choice == Choice::kStringParam && value == expected.string_param();
    } else if constexpr (std::is_same_v<Value, double>) {  // Compares bits, so that a NaN equals itself.
      return choice == Choice::kDoubleParam &&
             std::bit_cast<std::uint64_t>(value) == std::bit_cast<std::uint64_t>(expected.double_param());
    } else {
      static_assert(std::is_same_v<Value, std::uint64_t>);
      return choice == Choice::kUint64Param && value == expected.uint64_param();
    }
  };
  return std::visit(compare, view.value);
}

// Equal compares views with a map, in any order: there are as many, and the map has each.
template <typename Map>
bool Equal(const std::vector<rpc::ParameterView>& views, const Map& expected) {
  if (views.size() != expected.size()) return false;
  Map left(expected);
  for (const rpc::ParameterView& view : views) {
    const auto found = left.find(std::string(view.name));
    if (found == left.end() || !Equal(view, found->second)) return false;
    left.erase(found);
  }
  return true;
}

inline bool Equal(const triton::InferTensorContents* contents,
                  const triton::ModelInferRequest::InferInputTensor& expected) {
  if ((contents != nullptr) != expected.has_contents()) return false;
  return contents == nullptr || contents->SerializeAsString() == expected.contents().SerializeAsString();
}

// Difference takes views apart by structured bindings: it does not compile once a view has a field that it forgets.

// Difference names the first field of an input that differs from what protobuf's parser reads, or returns "".
inline std::string_view Difference(const rpc::InferInputView& view,
                                   const triton::ModelInferRequest::InferInputTensor& expected) {
  const auto& [name, datatype, shape, parameters, contents] = view;
  if (name != expected.name()) return "name of an input";
  if (datatype != expected.datatype()) return "datatype";
  if (shape != Shape(expected.shape().begin(), expected.shape().end())) return "shape";
  if (!Equal(parameters, expected.parameters())) return "parameters of an input";
  return Equal(contents, expected) ? "" : "contents";
}

inline std::string_view Difference(const rpc::InferOutputView& view,
                                   const triton::ModelInferRequest::InferRequestedOutputTensor& expected) {
  const auto& [name, parameters] = view;
  if (name != expected.name()) return "name of an output";
  return Equal(parameters, expected.parameters()) ? "" : "parameters of an output";
}

inline std::string_view Difference(const ScatteredBytes& bytes, const std::string& expected) {
  // First() is bounded by the size, and so would not show bytes too many.
  return bytes.size() == expected.size() && bytes.First(expected.size()) == expected ? "" : "raw_input_contents";
}

// DifferenceOfLists names the first difference between two lists, with `number` if one is longer.
template <typename Views, typename Expected>
std::string_view DifferenceOfLists(const Views& views, const Expected& expected, std::string_view number) {
  if (std::ssize(views) != expected.size()) return number;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const std::string_view difference = Difference(views[i], expected[static_cast<int>(i)]);
    if (!difference.empty()) return difference;
  }
  return "";
}

inline std::string_view Difference(const rpc::InferRequestView& view, const triton::ModelInferRequest& expected) {
  const auto& [model_name, model_version, id, parameters, inputs, outputs, raw_input_contents] = view;
  if (model_name != expected.model_name()) return "model_name";
  if (model_version != expected.model_version()) return "model_version";
  if (id != expected.id()) return "id";
  if (!Equal(parameters, expected.parameters())) return "parameters";
  for (const std::string_view difference :
       {DifferenceOfLists(inputs, expected.inputs(), "number of inputs"),
        DifferenceOfLists(outputs, expected.outputs(), "number of outputs"),
        DifferenceOfLists(raw_input_contents, expected.raw_input_contents(), "number of raw_input_contents")}) {
    if (!difference.empty()) return difference;
  }
  return "";
}

// InPlaceInferReading is a message read in place, if it can be.
struct InPlaceInferReading {
  explicit InPlaceInferReading(std::span<const Bytes> message)
      : done(rpc::ReadInferRequest(message, scratch, request)) {}
  InPlaceInferReading(const InPlaceInferReading&) = delete;
  InPlaceInferReading& operator=(const InPlaceInferReading&) = delete;

  rpc::WireScratch scratch;
  rpc::InferRequestView request;
  bool done;
};

// Mistake says what is wrong with reading a message in place, or returns "". A message that is not read in place is not
// read wrong.
inline std::string_view Mistake(const InPlaceInferReading& in_place, const ProtobufInferReading& expected) {
  if (!in_place.done) return "";
  return expected.parses ? Difference(in_place.request, expected.request) : "protobuf does not parse it";
}

// InferDecoderMistake says what is wrong with what an InferDecoder makes of a message, or returns "". The decoder must
// read a message if and only if protobuf does, but for messages that it refuses as too large.
inline std::string_view InferDecoderMistake(std::span<const Bytes> message, const ProtobufInferReading& expected) {
  const rpc::QuietLibraries silencer;
  rpc::InferDecoder decoder;
  const absl::Status status = decoder.Decode(message);
  if (!status.ok() && DescribeError(status).reason == Reason::kTensorTooLarge) return "";
  const bool decoded = status.ok();
  if (decoded != expected.parses) return decoded ? "protobuf does not parse it" : "protobuf parses it";
  return decoded ? Difference(decoder.request(), expected.request) : "";
}

}  // namespace tensorferry
